/** The `$filter` of riskyUsers: `riskState eq 'x'`, `riskLevel eq 'x'`, joined by `or`, `and` and parentheses. */
import type { Risk } from './directory';
import { GraphRefusal } from './errors';

type Test = (risk: Risk) => boolean;

// [csdl] v1.0: a literal of an enum must be one of its members.
const LITERALS: ReadonlyMap<string, readonly string[]> = new Map([
  ['riskLevel', ['low', 'medium', 'high', 'hidden', 'none', 'unknownFutureValue']],
  [
    'riskState',
    [
      ...['none', 'confirmedSafe', 'remediated', 'dismissed', 'atRisk', 'confirmedCompromised'],
      'unknownFutureValue',
    ],
  ],
]);

// learn:riskyuser-list documents $filter; `or`, `and` and parentheses are (observed) facts 1.2; the text is inferred.
const refused = () => new GraphRefusal(400, 'BadRequest', 'Invalid filter clause.');

export function riskFilter(text: string): Test {
  const tokens = tokensOf(text);
  let at = 0;

  function take(expected: string): boolean {
    if (tokens[at] !== expected) return false;
    at++;
    return true;
  }

  function comparison(): Test {
    if (take('(')) {
      const inner = disjunction();
      if (!take(')')) throw refused();
      return inner;
    }
    const [name = '', operator, literal = ''] = tokens.slice(at, at + 3);
    at += 3;
    const value = literal.slice(1, -1);
    if (operator !== 'eq' || !literal.startsWith("'") || !LITERALS.get(name)?.includes(value))
      throw refused();
    return (risk) => (name === 'riskLevel' ? risk.level : risk.state) === value;
  }

  function conjunction(): Test {
    const left = comparison();
    if (!take('and')) return left;
    const right = conjunction();
    return (risk) => left(risk) && right(risk);
  }

  function disjunction(): Test {
    const left = conjunction();
    if (!take('or')) return left;
    const right = disjunction();
    return (risk) => left(risk) || right(risk);
  }

  const test = disjunction();
  if (at !== tokens.length) throw refused();
  return test;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  const next = /\s*('(?:[^']|'')*'|[()]|[^\s()']+)\s*/y;
  while (next.lastIndex < text.length) {
    const [, token] = next.exec(text) ?? [];
    if (!token) throw refused();
    tokens.push(token);
  }
  return tokens;
}
