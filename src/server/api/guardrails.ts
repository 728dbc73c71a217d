import type { RecordAudit } from '../../core/audit/entry.ts';
import type { Logger } from '../../core/logger.ts';
import type { PolicyVersions } from '../../queue/records/policy-versions.ts';
import type { App } from '../http/context.ts';
import type { Authorize } from './auth.ts';

/** `POST /guardrails/invalidate`: services are asked anew about the caller's tenant, by every process. */
export const mountGuardrails =
  ({
    policies,
    authorize,
    audit,
    logger,
  }: {
    readonly policies: PolicyVersions;
    readonly authorize: Authorize;
    readonly audit: RecordAudit;
    readonly logger: Logger;
  }) =>
  (app: App): void => {
    app.post('/guardrails/invalidate', async (c) => {
      const { tenant, subject: by } = await authorize(c, 'guardrails:write');
      await audit(tenant, [{ actor: `user:${by}`, action: 'guardrail.invalidated', subject: tenant, data: {} }]);
      await policies.renew(tenant);
      logger.info({ tenant }, 'guardrail.invalidated');
      return c.json({ invalidated: true });
    });
  };
