/** The routes of the lists API that a Worker may use; every other one fails the test (cloudflare 7.3.0, zero-trust/gateway/lists). */
import * as v from 'valibot';
import { type Answer, type Call, fitting, isJson, ok, parseJson } from '../exchange';
import { isOurs } from '../names';
import { unexpected } from '../world';
import * as refusals from './refusals';
import { type CloudflareWorld, changeList, type List } from './store';

/** Before `/gateway`; what follows is the path that faults and records see. */
export const BASE = /^\/client\/v4\/accounts\/([^/]+)\/gateway(?=\/)/;

// (observed) terraform-provider-cloudflare#1422
const USUAL_PAGE = 50;

type Handle = (call: Call, world: CloudflareWorld, id: string) => Answer;

const ROUTES: readonly { method: string; path: RegExp; handle: Handle }[] = [
  { method: 'GET', path: /^\/lists$/, handle: findLists },
  { method: 'POST', path: /^\/lists$/, handle: createList },
  { method: 'GET', path: /^\/lists\/([\da-f-]{36})\/items$/, handle: listItems },
  { method: 'PATCH', path: /^\/lists\/([\da-f-]{36})$/, handle: patchList },
];

export function answerLists(call: Call, world: CloudflareWorld): Answer {
  for (const { method, path, handle } of ROUTES) {
    const match = method === call.method ? path.exec(call.path) : null;
    if (!match) continue;
    authorize(call, world);
    return handle(call, world, match[1] ?? '');
  }
  // A PUT replaces every entry and a DELETE the whole list, so no Worker has use for them.
  throw unexpected(world, `no such route of Cloudflare: ${call.method} ${call.path}`);
}

function authorize(call: Call, world: CloudflareWorld): void {
  const account = BASE.exec(new URL(call.href).pathname)?.[1];
  if (call.headers.get('authorization') !== `Bearer ${world.token}`) throw refusals.unknownToken(world);
  const enough = world.permission === 'edit' || (world.permission === 'read' && call.method === 'GET');
  if (account !== world.accountId || !enough) throw refusals.forbidden(world);
}

function findLists(call: Call, world: CloudflareWorld): Answer {
  if (new URL(call.href).search !== '?type=EMAIL') throw unexpected(world, `lists by ${call.href}`);
  const lists = [...world.store.values()].filter(({ type }) => type === 'EMAIL');
  lists.sort((a, b) => a.created_at.localeCompare(b.created_at));
  return success(world, lists.map(describe));
}

function createList(call: Call, world: CloudflareWorld): Answer {
  readQuery(call, world, []);
  const { name, type, description, ...more } = read(call, NewList);
  if (!isOurs(name) || type !== 'EMAIL' || Object.keys(more).length > 0)
    throw unexpected(world, `a list that is none of ours was to be made: ${call.text}`);
  if (description.length > world.longestDescription) throw refusals.refused('description is too long');
  if (world.sameName === 'refused' && [...world.store.values()].some((one) => one.name === name))
    throw refusals.refused(`a list named ${name} exists`);
  const { count: _, ...made } = describe(makeList(world, { name, type, description }));
  // `ListCreateResponse` has no count
  return success(world, made);
}

function listItems(call: Call, world: CloudflareWorld, id: string): Answer {
  const query = readQuery(call, world, ['page', 'per_page']);
  const { entries } = find(world, id);
  const whole = (name: string, usual: number) => {
    const number = Number(query.get(name) ?? usual);
    if (!Number.isInteger(number) || number < 1) throw refusals.refused(`invalid ${name}`);
    return number;
  };
  const page = whole('page', 1);
  const per_page = Math.min(whole('per_page', USUAL_PAGE), world.largestPage);
  const ordered = world.order === 'oldest first' ? entries : entries.toReversed();
  const items = ordered.slice((page - 1) * per_page, page * per_page);
  const total = world.totalCount ? { total_count: entries.length } : {};
  return success(world, items, { page, per_page, count: items.length, ...total });
}

function patchList(call: Call, world: CloudflareWorld, id: string): Answer {
  readQuery(call, world, []);
  const list = find(world, id);
  if (!world.writable.has(id) && (!isOurs(list.name) || list.type !== 'EMAIL'))
    throw unexpected(world, `a list that is none of ours was to be changed: ${list.name}`);
  changeList(world, list, read(call, Change));
  return success(world, describe(list));
}

const text = v.string();
const NewList = v.looseObject({ name: text, type: text, description: v.optional(text, '') });
const NewEntry = v.strictObject({ value: text, description: v.exactOptional(text) });
// What is said to a body of another shape, or to a change of nothing, is not known; no Worker should send it.
const Change = v.pipe(
  v.strictObject({ append: v.optional(v.array(NewEntry), []), remove: v.optional(v.array(text), []) }),
  v.check(({ append, remove }) => append.length + remove.length > 0),
);

function read<Output>(call: Call, schema: v.GenericSchema<unknown, Output>): Output {
  const body = isJson(call.headers) ? parseJson(call.text) : undefined;
  return fitting(schema, body, refusals.refused('invalid request body'));
}

function readQuery(call: Call, world: CloudflareWorld, known: readonly string[]): URLSearchParams {
  const query = new URL(call.href).searchParams;
  const odd = [...query.keys()].find((name, index, names) => !known.includes(name) || names.indexOf(name) < index);
  if (odd !== undefined) throw unexpected(world, `no such parameter of Cloudflare: ${odd} in ${call.href}`);
  return query;
}

function find(world: CloudflareWorld, id: string): List {
  const list = world.store.get(id);
  if (!list) throw refusals.noList(world, id);
  return list;
}

type Made = Pick<List, 'name' | 'type' | 'description'> & Partial<List>;

export function makeList(world: CloudflareWorld, properties: Made): List {
  const created_at = new Date(world.clock.now()).toISOString();
  const list = { id: world.newId(), created_at, entries: [], ...properties };
  world.store.set(list.id, list);
  return list;
}

const describe = ({ entries, ...list }: List) => ({ ...list, count: entries.length });

function success(world: CloudflareWorld, result: object, result_info?: object): Answer {
  const nothing = world.nothing === 'null' && Array.isArray(result) && result.length === 0;
  const info = result_info ? { result_info } : {};
  return ok({ success: true, errors: [], messages: [], result: nothing ? null : result, ...info });
}
