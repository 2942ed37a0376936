/** The refusals of Cloudflare's API, with the codes that are documented or were seen in the wild; '' where none is given. */
import { GraphRefusal } from '../errors';
import { type Answer, type Call, isRecord, parseJson } from '../exchange';
import type { CloudflareWorld } from './store';

type Said = readonly [code: string, message: string];
const UNAUTHORIZED: Said = ['10000', 'Authentication error'];
const THROTTLED: Said = ['971', 'Please wait and consider throttling your request speed'];
const USUAL: Record<number, Said> = { 401: UNAUTHORIZED, 403: UNAUTHORIZED, 429: THROTTLED };

export function unknownToken({ unknownToken: how }: CloudflareWorld): GraphRefusal {
  const [status, code = ''] = how.split(' ');
  return new GraphRefusal(Number(status), code, code === '9109' ? 'Invalid access token' : 'Authentication error');
}

// docs: workers REST API "Authorization errors" for another account; (observed) terraform-provider-cloudflare#1533
export const forbidden = ({ forbidden: status }: CloudflareWorld) => new GraphRefusal(status, ...UNAUTHORIZED);

// (observed) 400 where 404 was expected: terraform-provider-cloudflare#6930; its words and code are not known
export const noList = ({ missingList }: CloudflareWorld, id: string) =>
  new GraphRefusal(missingList, '', `list not found: ${id}`);

/** Of lists only the status is known (cloudflare-gateway-pihole-scripts#73), so words are inferred and no code is given. */
export const refused = (message: string) => new GraphRefusal(400, '', message);

// (observed) luxysiv/Cloudflare-Gateway-DNS-Filter#73: no code, and the value in the text
export const refusedItem = (value: string, why: string) => refused(`item: '${value}' error: ${why}: ${value}`);

// docs: fundamentals/api/reference/limits, "retry-after"; (observed) code 971
export const throttled = (seconds: number) =>
  new GraphRefusal(429, ...THROTTLED, { 'retry-after': String(Math.ceil(seconds)) });

/** The answer of `work`; a scripted fault, which has Graph's words, gets Cloudflare's usual ones. */
export async function settled(call: Call, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GraphRefusal)) throw error;
    const { status, headers } = error;
    const own: Said = [error.code, error.message];
    const [code, message] = /^\d*$/.test(error.code) ? own : (USUAL[status] ?? ['', error.message]);
    // An error text that reaches the log brings an address with it, and the test notices.
    const said = { ...(code && { code: Number(code) }), message: [message, ...addresses(call)].join(' ') };
    return { status, headers, body: { result: null, success: false, errors: [said], messages: [] } };
  }
}

function addresses(call: Call): string[] {
  const body = parseJson(call.text);
  const { append, remove }: Record<string, unknown> = isRecord(body) ? body : {};
  const values = [append, remove].flatMap((list) => (Array.isArray(list) ? list : []));
  return values.slice(0, 1).map((item) => `item: '${isRecord(item) ? item['value'] : item}'`);
}
