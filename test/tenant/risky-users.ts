/** GET /identityProtection/riskyUsers: everyone who ever was at risk (learn:riskyuser-list). */
import type { RiskyUser } from '@microsoft/microsoft-graph-types';
import type { Risk } from './directory';
import { GraphRefusal, notLicensed, tooManyRequests } from './errors';
import { type Answer, type Call, ok, pick, readQuery, readSelect, readTop } from './exchange';
import { riskFilter } from './risk-filter';
import type { World } from './world';

/** Levels and states as text, for Graph's enums grow and tests send words that no type knows. */
type RiskyUserAnswer = Omit<RiskyUser, 'riskLevel' | 'riskState' | 'riskDetail'> & {
  riskLevel?: string | null;
  riskState?: string | null;
  riskDetail?: string;
};

// learn:resources/riskyuser
const PROPERTIES = [
  ...['id', 'isDeleted', 'isProcessing', 'riskDetail', 'riskLastUpdatedDateTime', 'riskLevel', 'riskState'],
  ...['userDisplayName', 'userPrincipalName'],
];

// learn:riskyuser-list: at most 500. The default is not documented; 20 makes whoever forgets $top or pages notice.
const MAXIMUM_PAGE = 500;
const USUAL_PAGE = 20;

export function listRiskyUsers(call: Call, world: World): Answer {
  if (!world.licensed) throw notLicensed();
  if (call.tooSoon) throw tooManyRequests();
  const query = readQuery(call, ['$filter', '$select', '$top']);
  const select = readSelect(query, PROPERTIES, 'microsoft.graph.riskyUser');
  // I10: only where lists are a destination may anyone's address be asked for.
  if (world.upnForbidden && (select ?? PROPERTIES).includes('userPrincipalName'))
    world.violation('riskyUsers was asked for userPrincipalName');
  const size = Math.min(readTop(query, USUAL_PAGE, MAXIMUM_PAGE), world.pageSizes.riskyUsers ?? MAXIMUM_PAGE);
  const filter = query.get('$filter');
  // facts 10.2: the text is inferred
  if (filter !== undefined && world.rejectRiskFilter)
    throw new GraphRefusal(400, 'BadRequest', 'Invalid filter clause: the property is not filterable.');
  const test = filter === undefined ? () => true : riskFilter(filter);

  const rest = world.pages.rest(call, () =>
    [...world.directory.risks.values()].filter(test).map((risk) => risk.id),
  );
  const page = world.pages.cut(call, rest, size, world.pageSizes.emptyPages ?? false);
  const risks = page.ids.flatMap((id) => world.directory.risks.get(id) ?? []);
  return ok({
    '@odata.context': `https://${world.hosts.graph}/v1.0/$metadata#identityProtection/riskyUsers`,
    ...page.link,
    value: risks.filter(test).map((risk) => pickRisk(risk, select)),
  });
}

function pickRisk(risk: Risk, select: readonly string[] | undefined): object {
  const answer: RiskyUserAnswer = {
    id: risk.id,
    isDeleted: risk.isDeleted,
    isProcessing: false,
    riskDetail: risk.detail,
    riskLastUpdatedDateTime: new Date(risk.updatedAt).toISOString(),
    userDisplayName: risk.name,
    userPrincipalName: risk.upn,
    ...(risk.level === undefined ? {} : { riskLevel: risk.level }),
    ...(risk.state === undefined ? {} : { riskState: risk.state }),
  };
  return pick(
    answer,
    select?.filter((name) => name in answer),
  );
}
