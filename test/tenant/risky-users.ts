/** GET /identityProtection/riskyUsers: everyone who ever was at risk (learn:riskyuser-list). */
import type { RiskyUser } from '@microsoft/microsoft-graph-types';
import type { Risk } from './directory';
import { malformed, notLicensed, tooManyRequests } from './errors';
import type { Answer, Call } from './exchange';
import { type Listing, readListing } from './pages';
import type { World } from './world';

/** Levels and states as text, for Graph's enums grow and tests send words that no type knows, or none. */
type RiskyUserAnswer = Omit<RiskyUser, 'riskLevel' | 'riskState' | 'riskDetail'> &
  Record<'riskLevel' | 'riskState' | 'riskDetail', string | null | undefined>;

// learn:resources/riskyuser
const PROPERTIES = [
  ...['id', 'isDeleted', 'isProcessing', 'riskDetail', 'riskLastUpdatedDateTime', 'riskLevel', 'riskState'],
  ...['userDisplayName', 'userPrincipalName'],
];

const LISTING: Listing = {
  name: 'riskyUsers',
  ...{ options: ['$filter', '$select', '$top'], properties: PROPERTIES, type: 'microsoft.graph.riskyUser' },
  // learn:riskyuser-list: at most 500. The default is not documented; 20 makes whoever forgets $top or pages notice.
  ...{ usualPage: 20, maximumPage: 500 },
};

export function listRiskyUsers(call: Call, world: World): Answer {
  if (!world.licensed) throw notLicensed();
  if (call.tooSoon) throw tooManyRequests();
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

const describe = (risk: Risk): RiskyUserAnswer => ({
  ...{ id: risk.id, isDeleted: risk.isDeleted, isProcessing: false, riskDetail: risk.detail },
  riskLastUpdatedDateTime: new Date(risk.updatedAt).toISOString(),
  ...{ userDisplayName: risk.name, userPrincipalName: risk.upn, riskLevel: risk.level, riskState: risk.state },
});

// [csdl] v1.0: a literal of an enum must be one of its members.
const LEVELS = ['low', 'medium', 'high', 'hidden', 'none', 'unknownFutureValue'];
const STATES = 'none confirmedSafe remediated dismissed atRisk confirmedCompromised unknownFutureValue'.split(' ');

// learn:riskyuser-list documents $filter; `or` is (observed) facts 1.2; the text of the refusal is inferred.
/** Graph takes `and` and parentheses as well, but no Worker here needs them. */
function riskFilter(text: string): (risk: Risk) => boolean {
  const tests = text.split(/ +or +/).map((comparison) => {
    const [, name, value = ''] = /^(riskLevel|riskState) +eq +'(\w+)'$/.exec(comparison.trim()) ?? [];
    const isLevel = name === 'riskLevel';
    if (!(isLevel ? LEVELS : STATES).includes(value)) throw malformed('Invalid filter clause.');
    return ({ level, state }: Risk) => (isLevel ? level : state) === value;
  });
  return (risk) => tests.some((test) => test(risk));
}
