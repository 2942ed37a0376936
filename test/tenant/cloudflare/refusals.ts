/** The refusals of Cloudflare's API, with the codes that are documented or were seen in the wild. */
import { GraphRefusal } from '../errors';
import { type Answer, type Call, isRecord, parseJson } from '../exchange';
import type { CloudflareWorld } from './store';

interface ErrorInfo {
  /** Left out where an item is refused (observed). */
  code?: number;
  message: string;
}

class CloudflareRefusal extends GraphRefusal {
  readonly errors: readonly ErrorInfo[];

  constructor(status: number, errors: readonly ErrorInfo[], headers?: Record<string, string>) {
    super(status, '', errors[0]?.message ?? '', headers);
    this.errors = errors;
  }
}

const refusal = (status: number, code: number, message: string) => new CloudflareRefusal(status, [{ code, message }]);

export function unknownToken({ unknownToken: how }: CloudflareWorld): CloudflareRefusal {
  const [status, code] = how.split(' ').map(Number);
  return refusal(status ?? 400, code ?? 9109, code === 9109 ? 'Invalid access token' : 'Authentication error');
}

// docs: workers REST API "Authorization errors" for another account; (observed) terraform-provider-cloudflare#1533
export const forbidden = ({ forbidden: status }: CloudflareWorld) => refusal(status, 10000, 'Authentication error');

// (observed) 400 where 404 was expected: terraform-provider-cloudflare#6930; its words and code are not known
export const noList = ({ missingList }: CloudflareWorld, id: string) =>
  new CloudflareRefusal(missingList, [{ message: `list not found: ${id}` }]);

// (observed) luxysiv/Cloudflare-Gateway-DNS-Filter#73: no code, and the value in the text
export const refusedItem = (value: string, why: string) =>
  new CloudflareRefusal(400, [{ message: `item: '${value}' error: ${why}: ${value}` }]);

/** Of lists only the status is known (cloudflare-gateway-pihole-scripts#73), so words are inferred and no code is given. */
export const refused = (message: string) => new CloudflareRefusal(400, [{ message }]);

const UNAUTHORIZED = { code: 10000, message: 'Authentication error' };
const THROTTLED = { code: 971, message: 'Please wait and consider throttling your request speed' };
type Usual = typeof UNAUTHORIZED;
const USUAL: Record<number, Usual> = { 401: UNAUTHORIZED, 403: UNAUTHORIZED, 429: THROTTLED };

// docs: fundamentals/api/reference/limits, "retry-after"; (observed) code 971
export const throttled = (seconds: number) =>
  new CloudflareRefusal(429, [THROTTLED], { 'retry-after': String(Math.ceil(seconds)) });

const failed = (status: number, headers: Record<string, string>, errors: readonly ErrorInfo[]): Answer => ({
  ...{ status, headers, body: { result: null, success: false, errors, messages: [] } },
});

/** The answer of `work`; a scripted fault gets Cloudflare's envelope and usual code. */
export async function settled(call: Call, work: () => Promise<Answer>): Promise<Answer> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CloudflareRefusal) return failed(error.status, error.headers, error.errors);
    if (!(error instanceof GraphRefusal)) throw error;
    const usual = USUAL[error.status];
    const code = /^\d+$/.test(error.code) ? Number(error.code) : usual?.code;
    const said = code === usual?.code ? (usual?.message ?? error.message) : error.message;
    // An error text that reaches the log brings an address with it, and the test notices.
    const message = [said, ...addresses(call)].join(' ');
    return failed(error.status, error.headers, [code === undefined ? { message } : { code, message }]);
  }
}

function addresses(call: Call): string[] {
  const body = parseJson(call.text);
  const { append, remove }: Record<string, unknown> = isRecord(body) ? body : {};
  const values = [append, remove].flatMap((list) => (Array.isArray(list) ? list : []));
  return values.slice(0, 1).map((item) => `item: '${isRecord(item) ? item['value'] : item}'`);
}
