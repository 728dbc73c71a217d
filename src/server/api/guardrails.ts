import * as z from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import type { Logger } from '../../core/logger.ts';
import type { PolicyVersions } from '../../queue/records/policy-versions.ts';
import type { App } from '../http/context.ts';
import { type Endpoint, json } from './endpoint.ts';

/** `POST /guardrails/invalidate`: services are asked anew about the caller's tenant, by every process. */
export const mountGuardrails =
  ({
    policies,
    endpoint,
    audit,
    logger,
  }: {
    readonly policies: PolicyVersions;
    readonly endpoint: Endpoint;
    readonly audit: RecordAudit;
    readonly logger: Logger;
  }) =>
  (app: App): void => {
    const about = {
      id: 'invalidateGuardrails',
      summary: 'Forget what guardrail services decided',
      description: 'Every process asks them again about the tenant.',
      scope: 'guardrails:write',
      answers: { 200: { description: 'forgotten', body: z.object({ invalidated: z.boolean() }) } },
    } as const;
    app.post(
      '/guardrails/invalidate',
      endpoint(about, async ({ caller: { tenant, subject: by } }) => {
        await audit(tenant, [{ actor: `user:${by}`, action: 'guardrail.invalidated', subject: tenant, data: {} }]);
        await policies.renew(tenant);
        logger.info({ tenant }, 'guardrail.invalidated');
        return json(200, { invalidated: true });
      }),
    );
  };
