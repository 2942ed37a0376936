/** What an answer to a membership write means: tables, without a tenant. */
import { describe, expect, it } from 'vitest';
import type { GraphAnswer } from '../src/graph';
import { groupStop, isRefusal, joinOutcome, leaveOutcome, refusalOfAll } from '../src/outcomes';

const ALREADY =
  "One or more added object references already exist for the following modified properties: 'members'.";
const NOT_THERE =
  "One or more removed object references do not exist for the following modified properties: 'members'.";

const traceOf = (status: number) => ({ status, code: `Code${status}`, requestId: `request ${status}` });
const said = (status: number, message = ''): GraphAnswer => ({
  ...{ status, message, body: undefined, busy: false },
  trace: traceOf(status),
});

describe('an answer to one join', () => {
  it.each([
    ['404, while the group is there', said(404), true, 'gone'],
    ['404, while nothing is known of the group', said(404), false, { refused: traceOf(404) }],
    ['400, already a member', said(400, ALREADY), true, 'unknown'],
    ['400, not a member', said(400, NOT_THERE), true, 'unknown'],
    ['400 of any other kind', said(400, 'Bad Request.'), true, { refused: traceOf(400) }],
    ['403', said(403), true, { refused: traceOf(403) }],
    ['403 with words of a 400', said(403, ALREADY), true, { refused: traceOf(403) }],
    ['500', said(500, ALREADY), true, { refused: traceOf(500) }],
    ['no answer', said(0), true, { refused: traceOf(0) }],
  ] as const)('%s', (_, answer, groupIsThere, outcome) => {
    expect(joinOutcome(answer, groupIsThere)).toEqual(outcome);
  });
});

describe('an answer to one leave', () => {
  it.each([
    ['204', said(204), 'left'],
    ['404', said(404), 'no member'],
    ['400, not a member', said(400, NOT_THERE), 'no member'],
    ['400 of any other kind', said(400, 'Bad Request.'), { refused: traceOf(400) }],
    ['403', said(403, NOT_THERE), { refused: traceOf(403) }],
    ['500', said(500, NOT_THERE), { refused: traceOf(500) }],
    ['no answer', undefined, { refused: {} }],
  ] as const)('%s', (_, answer, outcome) => {
    expect(leaveOutcome(answer)).toEqual(outcome);
  });
});

describe('a refusal that the group will repeat to anybody', () => {
  it.each([
    ['403', said(403), true],
    ['400', said(400, 'Bad Request.'), true],
    ['400, already a member', said(400, ALREADY), false],
    ['404', said(404), false],
    ['500', said(500), false],
  ])('%s', (_, answer, expected) => {
    expect(isRefusal(answer)).toBe(expected);
  });
});

describe('the answers to those who did not join', () => {
  const refused = { why: 'all refused', trace: traceOf(403) };
  const trouble = { why: 'trouble' };
  it.each([
    ['nobody was tried', [], 0, undefined],
    ['everybody joined', [], 2, undefined],
    ['somebody joined, the other was refused', [said(403)], 2, undefined],
    ['somebody joined, the other met trouble', [said(500)], 2, undefined],
    ['all were refused', [said(403), said(400)], 2, refused],
    ['one was refused, one met trouble', [said(403), said(500)], 2, undefined],
    ['one met trouble, one was refused', [said(500), said(403)], 2, undefined],
    ['one was refused, one is a member already', [said(403), said(400, ALREADY)], 2, undefined],
    ['all are members already', [said(400, ALREADY), said(400, ALREADY)], 2, undefined],
    ['all are gone', [said(404), said(404)], 2, undefined],
    ['all met trouble', [said(500), said(0), said(409)], 3, trouble],
    ['one met trouble, one is gone', [said(503), said(404)], 2, undefined],
    ['one met trouble, one is a member already', [said(0), said(400, ALREADY)], 2, undefined],
  ] as const)('%s', (_, answers, tried, stop) => {
    expect(groupStop(answers, tried)).toEqual(stop);
  });
});

describe('the answers to those who were to leave', () => {
  const refused = (status: number) => ({ refused: traceOf(status) });
  it.each([
    ['too few to tell', [refused(403)], undefined],
    ['all refused', [refused(403), refused(400), refused(403)], traceOf(403)],
    ['just enough, all refused', [refused(400), refused(403)], traceOf(400)],
    ['one left', [refused(403), 'left', refused(403)], undefined],
    ['one was no member', ['no member', refused(403), refused(403)], undefined],
    ['none refused', ['left', 'left'], undefined],
  ] as const)('%s', (_, outcomes, trace) => {
    expect(refusalOfAll(outcomes, 2)).toEqual(trace);
  });
});
