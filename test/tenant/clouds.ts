/** The hosts of each cloud that has riskyUsers (concepts/deployments.md). */

export type Cloud = 'global' | 'usgov' | 'dod';

export type Hosts = { login: string; graph: string };

export const HOSTS: Record<Cloud, Hosts> = {
  global: { login: 'login.microsoftonline.com', graph: 'graph.microsoft.com' },
  usgov: { login: 'login.microsoftonline.us', graph: 'graph.microsoft.us' },
  dod: { login: 'login.microsoftonline.us', graph: 'dod-graph.microsoft.us' },
};
