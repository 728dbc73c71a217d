import { namesOf } from '../channels/registry.ts';
import { createBudgetOverrides } from '../queue/records/budget-overrides.ts';
import { createKeeperReports } from '../queue/records/keeper-reports.ts';
import { createPolicyVersions } from '../queue/records/policy-versions.ts';
import { mountAudit } from '../server/api/audit.ts';
import { createAuthorize } from '../server/api/auth.ts';
import { mountBudgets } from '../server/api/budgets.ts';
import { mountEvents } from '../server/api/events.ts';
import { mountGuardrails } from '../server/api/guardrails.ts';
import { mountReviews } from '../server/api/reviews.ts';
import { mountSubscriptions } from '../server/api/subscriptions.ts';
import type { App } from '../server/http/context.ts';
import { configuredPolicy } from './budget-policy.ts';
import { createReplyCheck } from './guardrails.ts';
import { configuredReview } from './review-policy.ts';
import type { Runtime } from './runtime.node.ts';

const noAuth = { jwtSecret: undefined, jwtIssuer: undefined, jwtAudience: undefined };

/** The API: every route behind a token. */
export function controlRoutes(runtime: Runtime): readonly ((app: App) => void)[] {
  const { config, plugs, identifier, store, audit, scrub, log } = runtime;
  const authorize = createAuthorize({ ...noAuth, ...config.api }, audit);
  const { tenants } = config;
  const channelNames = namesOf(plugs.modules);
  const policyOf = configuredPolicy(config);
  return [
    mountEvents({ events: store.events, authorize, audit, channelNames }),
    mountAudit({ audit: store.audit, authorize }),
    mountReviews({
      events: store.events,
      reviews: store.reviews,
      authorize,
      reviewPolicy: configuredReview(config),
      identifier,
      clean: (text) => scrub(text).value,
      checkReply: createReplyCheck(runtime),
      clock: Date.now,
      audit,
      logger: log,
    }),
    mountSubscriptions({ reports: createKeeperReports(store.records), authorize, clock: Date.now }),
    mountGuardrails({ policies: createPolicyVersions(store.records), authorize, audit, logger: log }),
    mountBudgets({
      ledger: store.ledger,
      overrides: createBudgetOverrides(store.records),
      authorize,
      configured: (tenant) => policyOf(tenant).limits,
      channelsOf: (tenant) => channelNames.filter((name) => Object.hasOwn(tenants[tenant] ?? {}, name)),
      isAlone: (tenant) => Object.keys(tenants).every((name) => name === tenant),
      audit,
      logger: log,
    }),
  ];
}
