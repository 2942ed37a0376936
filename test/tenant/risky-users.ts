/** GET /identityProtection/riskyUsers: everyone who ever was at risk (learn:riskyuser-list). */
import type { Risk } from './directory';
import { malformed, notLicensed, usualRefusal } from './errors';
import type { Answer, Call } from './exchange';
import { type Listing, readListing } from './pages';
import type { World } from './world';

// learn:resources/riskyuser; no Worker has use for more
const PROPERTIES = ['id', 'isDeleted', 'riskLevel', 'riskState', 'userPrincipalName'];

const LISTING: Listing = {
  ...{ name: 'riskyUsers', options: ['$filter', '$select', '$top'], properties: PROPERTIES },
  // learn:riskyuser-list: at most 500. The default is not documented; 20 makes whoever forgets $top or pages notice.
  ...{ usualPage: 20, maximumPage: 500 },
};

export function listRiskyUsers(call: Call, world: World): Answer {
  if (!world.licensed) throw notLicensed();
  // No Retry-After comes with it (throttling-limits).
  if (call.tooSoon) throw usualRefusal(429);
  const { filter, select, answer } = readListing(call, world, LISTING);
  // I10: only where lists are a destination may anyone's address be asked for.
  if (world.upnForbidden && (select ?? PROPERTIES).includes('userPrincipalName'))
    world.violations.push('riskyUsers was asked for userPrincipalName');
  // facts 10.2: the text is inferred
  if (filter !== undefined && world.rejectRiskFilter)
    throw malformed('Invalid filter clause: the property is not filterable.');
  const test = filter === undefined ? () => true : riskFilter(filter);
  const { risks } = world.directory;
  const ids = () => [...risks.values()].filter(test).map(({ id }) => id);
  const show = (id: string) => [risks.get(id)].flatMap((risk) => (risk && test(risk) ? describe(risk) : []))[0];
  return answer('identityProtection/riskyUsers', ids, show);
}

/** Levels and states are text, for Graph's enums grow and tests send words that no type knows, or none. */
const describe = ({ id, isDeleted, upn, level, state }: Risk) => ({
  ...{ id, isDeleted, userPrincipalName: upn, riskLevel: level, riskState: state },
});

// [csdl] v1.0: a literal of an enum must be one of its members.
const STATES = 'none confirmedSafe remediated dismissed atRisk confirmedCompromised unknownFutureValue'.split(' ');

/** learn:riskyuser-list documents $filter, and takes more than this; `or` is (observed) facts 1.2; the refusal's text is inferred. */
function riskFilter(text: string): (risk: Risk) => boolean {
  const states = text.split(' or ').map((comparison) => /^riskState eq '(\w+)'$/.exec(comparison)?.[1] ?? '');
  if (!states.every((state) => STATES.includes(state))) throw malformed('Invalid filter clause.');
  return ({ state }) => states.includes(state ?? '');
}
