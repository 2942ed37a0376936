/** The mutants that may live, and why: `npm run mutation` fails for every other, and for every entry that has died. */

export interface Survivors {
  /** Why no test needs to kill them. */
  why: string;
  /** In `src/`. */
  file: string;
  /** The line on which the mutation begins, without its indent, and what Stryker puts in place of what it mutates. */
  mutants: readonly (readonly [line: string, became: string])[];
}

export const SURVIVORS: readonly Survivors[] = [
  {
    why: 'The name of an error is for stack traces, and only compared with that of another error of its class.',
    file: 'errors.ts',
    mutants: [
      ["override readonly name = 'SettingsError';", '""'],
      ["override readonly name = 'SignInError';", '""'],
      ["override readonly name = 'GraphError';", '""'],
    ],
  },
  {
    why: 'Where Graph said nothing, no rule looks for the words that Stryker says instead.',
    file: 'errors.ts',
    mutants: [["this.graphMessage = options?.graphMessage ?? '';", '"Stryker was here!"']],
  },
  {
    why: 'Where Graph said nothing, no rule looks for the words that Stryker says instead.',
    file: 'graph.ts',
    mutants: [
      ["return { status, body, message: error?.message ?? '', busy, trace };", '"Stryker was here!"'],
    ],
  },
  {
    why: 'The cause of an error is kept for stack traces, and decides nothing.',
    file: 'graph.ts',
    mutants: [["throw new GraphError('no whole answer came from Graph', {}, { cause: error });", '{}']],
  },
  {
    why: 'The cause of an error is kept for stack traces, and decides nothing.',
    file: 'http.ts',
    mutants: [
      ["throw new OutOfTime('requests', { cause });", '{}'],
      ["return new Unanswered('no whole answer came', { cause });", '{}'],
      [
        "if (!answered && deadline.leftMilliseconds() <= 0) throw new OutOfTime('deadline', { cause: result });",
        '{}',
      ],
    ],
  },
  {
    why: 'The cause of an error is kept for stack traces, and decides nothing.',
    file: 'token.ts',
    mutants: [
      ['if (cause instanceof Unanswered) throw new SignInError(undefined, [], { cause });', '{}'],
      [
        'throw cause instanceof OutOfTime && cause.throttled ? new SignInError(429, [], { cause }) : cause;',
        '{}',
      ],
    ],
  },
  {
    why: 'The message is that of a cause, which only stack traces show: the log says it in words of its own.',
    file: 'http.ts',
    mutants: [
      ["throw new Error('no whole answer within the time limit');", '""'],
      ["return new Unanswered('no whole answer came', { cause });", '""'],
    ],
  },
  {
    why: 'A function that ends without a return gives undefined as well.',
    file: 'http.ts',
    mutants: [['} catch {', '{}']],
  },
  {
    why: 'To sleep for no time is to go on at once, a tick later.',
    file: 'http.ts',
    mutants: [
      ['if (milliseconds > 0) await io.sleep(milliseconds);', 'true'],
      ['if (milliseconds > 0) await io.sleep(milliseconds);', 'milliseconds >= 0'],
    ],
  },
  {
    why: 'A text that is no date is as good as none.',
    file: 'directory.ts',
    mutants: [
      [
        ".map((entry) => ({ ...entry, createdMilliseconds: Date.parse(entry.createdDateTime ?? '') || 0 }))",
        '"Stryker was here!"',
      ],
    ],
  },
  {
    why: 'It differs in one millisecond only, and either answer is right in that.',
    file: 'directory.ts',
    mutants: [
      [
        'return io.now() < youngUntilMilliseconds ? [{ id: created.id, youngUntilMilliseconds }] : [];',
        'io.now() <= youngUntilMilliseconds',
      ],
    ],
  },
  {
    why: 'No two groups have the same id.',
    file: 'directory.ts',
    mutants: [
      [
        '(a.createdMilliseconds || Infinity) - (b.createdMilliseconds || Infinity) || (a.id < b.id ? -1 : 1),',
        'a.id <= b.id',
      ],
    ],
  },
  {
    why: 'The compiler tells the three findings apart by this word; at run time it is enough that it is neither of the others.',
    file: 'directory.ts',
    mutants: [
      ["if (ours !== undefined) return { kind: 'fit', group: ours, others };", '""'],
      ["kind: 'fit',", '""'],
    ],
  },
  {
    why: 'The question is for the compiler: every answer belongs to one of those who were sent.',
    file: 'memberships.ts',
    mutants: [['if (leave === undefined) return;', 'false']],
  },
  {
    why: 'The caller takes a GraphError that is given back like one that is thrown.',
    file: 'memberships.ts',
    mutants: [['if (users instanceof GraphError) throw users;', 'false']],
  },
  {
    why: 'The question is for the compiler: every answer belongs to one of those who were sent.',
    file: 'joining.ts',
    mutants: [['if (user === undefined) return;', 'false']],
  },
  {
    why: 'The message is read only of a 400, and whether Graph is busy only of the answer to a whole twenty.',
    file: 'joining.ts',
    mutants: [
      [
        "const NO_ANSWER: GraphAnswer = { status: 0, body: undefined, message: '', busy: false, trace: {} };",
        '"Stryker was here!"',
      ],
      [
        "const NO_ANSWER: GraphAnswer = { status: 0, body: undefined, message: '', busy: false, trace: {} };",
        'true',
      ],
    ],
  },
  {
    why: 'It differs in one millisecond only, and either answer is right in that.',
    file: 'joining.ts',
    mutants: [
      [
        'const unclear = there && io.now() < group.youngUntilMilliseconds ? others.filter(isNotFound) : [];',
        'io.now() <= group.youngUntilMilliseconds',
      ],
    ],
  },
  {
    why: 'It differs in one millisecond only, and nothing could be sent after it.',
    file: 'provisioning.ts',
    mutants: [
      [
        'if (ended || pause >= deadline.leftMilliseconds()) return false;',
        'pause > deadline.leftMilliseconds()',
      ],
    ],
  },
  {
    why: 'The map has an entry for each level, so there is always something before it.',
    file: 'changes.ts',
    mutants: [
      ['const users = joins.get(level) ?? [];', '["Stryker was here"]'],
      ['told.get(leave.level)?.push(outcome);', 'told.get(leave.level).push'],
    ],
  },
  {
    why: 'The map has an entry for each level, so there is always something before it.',
    file: 'sync.ts',
    mutants: [
      [
        'for (const level of RISK_LEVELS) reportJoins(run, level, plan.joins.get(level) ?? []);',
        '["Stryker was here"]',
      ],
    ],
  },
  {
    why: 'The map has an entry for each level, so there is always something before it.',
    file: 'plan.ts',
    mutants: [
      [
        'else if (members.get(level)?.has(user) === false) joins.get(level)?.push(user);',
        'joins.get(level).push',
      ],
      [
        'return moves.filter(({ user, to }) => members.get(to)?.has(user) || joinedUsers.get(to)?.has(user));',
        'joinedUsers.get(to).has',
      ],
    ],
  },
  {
    why: 'There is a result for each level that is missing.',
    file: 'changes.ts',
    mutants: [['if (result === undefined || isOutOfRequests(result)) continue;', 'false']],
  },
  {
    why: 'A text among leaves or groups has no level, so it is passed over.',
    file: 'changes.ts',
    mutants: [
      ['const refused: (Leave & { trace: GraphTrace })[] = [];', '["Stryker was here"]'],
      ['return group ? [[level, group]] : [];', '["Stryker was here"]'],
    ],
  },
  {
    why: 'A text among leaves or promises is passed over.',
    file: 'sync.ts',
    mutants: [
      ['const listings: Promise<void>[] = [];', '["Stryker was here"]'],
      ['return [];', '["Stryker was here"]'],
      ['if (departures.length === 0) return [];', '["Stryker was here"]'],
    ],
  },
  {
    why: 'Whatever is thrown here is an error.',
    file: 'trouble.ts',
    mutants: [["return error instanceof Error ? error.name : 'no error';", '""']],
  },
  {
    why: 'To sleep for no time is to go on at once, a tick later.',
    file: 'batch.ts',
    mutants: [
      ['if (again.length > 0) await io.sleep(waitMilliseconds);', 'true'],
      ['if (again.length > 0) await io.sleep(waitMilliseconds);', 'again.length >= 0'],
    ],
  },
  {
    why: 'A certificate begins to be valid within a second, not within a millisecond.',
    file: 'certificate.ts',
    mutants: [['if (nowMilliseconds < notBeforeMilliseconds) {', 'nowMilliseconds <= notBeforeMilliseconds']],
  },
  {
    why: 'A function that ends without a return says no as well.',
    file: 'certificate.ts',
    mutants: [['} catch {', '{}']],
  },
  {
    why: 'Any text serves to be signed, and the key of a certificate is public.',
    file: 'certificate.ts',
    mutants: [
      ["const probe = new TextEncoder().encode('risky-users');", '""'],
      [
        "const publicKey = await crypto.subtle.importKey('spki', spki, ALGORITHM, false, ['verify']);",
        'true',
      ],
    ],
  },
  {
    why: 'Every issue has the path of its setting.',
    file: 'config.ts',
    mutants: [
      [
        'const faults = (parsed.issues ?? []).map((issue) => `${issue.path?.[0]?.key} ${issue.message}`);',
        'issue.path?.[0].key',
      ],
      [
        'const faults = (parsed.issues ?? []).map((issue) => `${issue.path?.[0]?.key} ${issue.message}`);',
        'issue.path[0]',
      ],
    ],
  },
  {
    why: 'To replace a level by itself changes nothing.',
    file: 'plan.ts',
    mutants: [
      [
        'return RISK_LEVELS.indexOf(level) < RISK_LEVELS.indexOf(other);',
        'RISK_LEVELS.indexOf(level) <= RISK_LEVELS.indexOf(other)',
      ],
    ],
  },
  {
    why: 'Offers come in order by themselves as far as tests can tell; this makes sure of it.',
    file: 'provisioning.ts',
    mutants: [['const start = Math.max(io.now(), notBeforeMilliseconds, starts.at(-1) ?? 0, free);', '+1']],
  },
  {
    why: 'The room for ids leaves more than that to the rest of the log.',
    file: 'report.ts',
    mutants: [
      [
        'idBytesLeft[severity] -= JSON.stringify(some).length + message.length;',
        'JSON.stringify(some).length - message.length',
      ],
      ['if (idBytesLeft[severity] < 0) {', 'idBytesLeft[severity] <= 0'],
    ],
  },
  {
    why: 'A secret has no end, and no number is smaller than one that is none.',
    file: 'run.ts',
    mutants: [
      [
        "const days = credential.kind === 'certificate' ? daysUntilRenewal(credential, nowMilliseconds) : undefined;",
        'true',
      ],
    ],
  },
  {
    why: 'With it no file loads, and what Stryker is told of is tests that fail, not files.',
    file: 'settings.ts',
    mutants: [
      ['function objectId(fault: string) {', '{}'],
      ['function wholeNumber(least: number, most: number, fault: string) {', '{}'],
      ['export function settingsSchema(cron: string) {', '{}'],
    ],
  },
  {
    why: 'Neither is the id of a group.',
    file: 'settings.ts',
    mutants: [["const pinnedId = v.optional(objectId(GROUP_IDS_FAULT), '');", '"Stryker was here!"']],
  },
  {
    why: 'The library takes the issuer for the audience of an assertion, which is set to the token endpoint.',
    file: 'token.ts',
    mutants: [
      [
        'await authenticate({ issuer: config.cloud.loginOrigin }, { client_id: config.clientId }, form, headers);',
        '{}',
      ],
    ],
  },
];
