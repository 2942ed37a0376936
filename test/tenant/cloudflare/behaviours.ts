/** What nobody outside Cloudflare knows of its lists (facts 13): each behaviour that is possible, to be turned by tests. */

export interface Behaviours {
  /** Appending a value that is there. */
  present: 'refused' | 'ignored';
  /** Removing a value that is not there. */
  absent: 'refused' | 'ignored';
  /** How two values are compared. */
  matching: 'exact' | 'any case';
  storing: 'as given' | 'lower case';
  /** The order of the items (observed to vary: terraform-provider-cloudflare#5788, #7265). */
  order: 'oldest first' | 'newest first';
  /** A larger `per_page` gets this many. */
  largestPage: number;
  /** Whether `result_info` has it: the API reference calls it optional. */
  totalCount: boolean;
  /** `result` where there is nothing. (observed) null, mrrfv/cloudflare-gateway-pihole-scripts lib/api.js */
  nothing: 'null' | 'empty';
  /** Longest description of a list or an entry. */
  longestDescription: number;
  /** A second list of one name. */
  sameName: 'made' | 'refused';
  /** Status for a list that is not there. (observed) 400, terraform-provider-cloudflare#6930 */
  missingList: 400 | 404;
  /** Status and code for a token that is none; all (observed), in favonia/cloudflare-ddns and others. */
  unknownToken: '400 9109' | '403 9109' | '401 10000';
  /** Status for a token without the permission. (observed) 403 usually, 400 in cloudflare-gateway-pihole-scripts#123 */
  forbidden: 403 | 400;
}

export const DEFAULTS: Behaviours = {
  ...{ present: 'refused', absent: 'refused', matching: 'any case', storing: 'as given' },
  ...{ order: 'oldest first', largestPage: 1_000, totalCount: true, nothing: 'null' },
  ...{ longestDescription: 1_000, sameName: 'made', missingList: 400, unknownToken: '400 9109', forbidden: 403 },
};

const OTHERS: readonly Partial<Behaviours>[] = [
  ...([{ present: 'ignored' }, { absent: 'ignored' }, { matching: 'exact' }] as const),
  ...([{ storing: 'lower case' }, { storing: 'lower case', matching: 'exact' }] as const),
  ...([{ order: 'newest first' }, { largestPage: 100 }, { largestPage: 7 }] as const),
  ...([{ totalCount: false }, { nothing: 'empty' }, { longestDescription: 100 }] as const),
  ...([{ sameName: 'refused' }, { missingList: 404 }, { forbidden: 400 }] as const),
  ...([{ unknownToken: '403 9109' }, { unknownToken: '401 10000' }] as const),
];

/** The defaults, every other behaviour alone, and all others together: for `test.each`. */
export const EACH_BEHAVIOUR: readonly (readonly [name: string, Partial<Behaviours>])[] = [
  ['the defaults', {}],
  ...OTHERS.map((other) => [JSON.stringify(other), other] as const),
  ['all others', Object.assign({}, ...OTHERS)],
];

/** Any of them together, for histories. */
export const someBehaviours = (random: () => number): Partial<Behaviours> =>
  Object.assign({}, ...OTHERS.filter(() => random() < 0.4));
