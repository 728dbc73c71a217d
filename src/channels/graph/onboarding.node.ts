import type { Onboarding } from '../onboarding.node.ts';

export const graphOnboarding: Onboarding = {
  environment: ['GRAPH_TENANT_ID', 'GRAPH_CLIENT_ID', 'GRAPH_CLIENT_SECRET', 'GRAPH_SUBSCRIPTIONS'],
};
