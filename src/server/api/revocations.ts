import * as z from 'zod';
import type { RecordAudit } from '../../core/audit/entry.ts';
import type { Clock } from '../../core/clock.ts';
import { defined } from '../../core/defined.ts';
import { SallyportError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json/json-text.ts';
import type { Logger } from '../../core/logger.ts';
import type { Revocation, Revocations, RevocationTarget } from '../../queue/records/revocations.ts';
import type { App } from '../http/context.ts';
import type { Caller } from './auth.ts';
import { type Endpoint, json } from './endpoint.ts';
import { instant } from './shapes.ts';
import { SKEW_MS } from './token.ts';

/** Of a token's id or a subject. Longer ones are none of an identity provider. */
const MAX_NAME_CHARS = 512;

const beforeText =
  'must be a time like 2026-01-31T12:00:00Z, or seconds since 1970-01-01T00:00:00Z, and not in the future';

/** RFC 3339, or seconds since the epoch as in a token. Becomes epoch ms. */
const timeBefore = (clock: Clock) =>
  z
    .union(
      [z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)), z.number().transform((s) => s * 1000)],
      {
        error: beforeText,
      },
    )
    .refine((ms) => Number.isFinite(ms) && ms >= 0 && ms <= clock() + SKEW_MS, { error: beforeText });

const NO_SUCH = 'no such revocation';
const TARGETS = 'must have exactly one of jti, sub and tenant';

const bodyShape = (clock: Clock) =>
  z
    .strictObject({
      jti: z.string().min(1).max(MAX_NAME_CHARS).optional(),
      sub: z.string().min(1).max(MAX_NAME_CHARS).optional(),
      tenant: z.literal(true, { error: 'must be true; the tenant is that of the token' }).optional(),
      before: timeBefore(clock).optional(),
      confirm: z.literal(true, { error: 'must be true' }).optional(),
    })
    .refine(({ jti, sub, tenant }) => [jti, sub, tenant].filter((one) => one !== undefined).length === 1, {
      error: TARGETS,
    })
    .refine(({ jti, before }) => jti === undefined || before === undefined, {
      path: ['before'],
      error: 'must not be set with jti, which names one token',
    });

const ID = /^(tenant|(jti|sub)_[\w-]{22})$/;
const params = z.object({ id: z.string().regex(ID, { error: NO_SUCH }) });

const revocationShape = z
  .object({
    id: z.string(),
    jti: z.string().optional(),
    sub: z.string().optional(),
    tenant: z.boolean().optional(),
    before: instant.optional().describe('tokens issued earlier are revoked; absent with `jti`'),
    revokedAt: instant,
    by: z.string().describe('the subject who did it'),
  })
  .meta({ id: 'Revocation', description: 'Ends one token (`jti`), those of a subject (`sub`) or of the tenant.' });

/** `/revocations`: ends tokens of the caller's own tenant at once, in every process. */
export const mountRevocations =
  ({
    revocations,
    endpoint,
    clean,
    audit,
    clock,
    logger,
  }: {
    readonly revocations: Revocations;
    readonly endpoint: Endpoint;
    /** Takes secrets out: what is kept of a name is only to be read. */
    readonly clean: (text: string) => string;
    readonly audit: RecordAudit;
    readonly clock: Clock;
    readonly logger: Logger;
  }) =>
  (app: App): void => {
    const revoke = {
      id: 'revokeTokens',
      summary: 'End tokens at once, in every process',
      description:
        'What was issued before `before` is refused from now on; a token without `iat` counts as issued before. A new login works. ' +
        'Needs `confirm` where it ends the token of the request itself.',
      scope: 'tokens:revoke',
      body: bodyShape(clock),
      answers: { 201: { description: 'revoked', body: revocationShape } },
      errors: ['ERR_REVOCATIONS_FULL'],
    } as const;
    app.post(
      '/revocations',
      endpoint(revoke, async ({ caller, body }) => {
        const { tenant, subject: by } = caller;
        const target = targetOf(body);
        const revokedAt = clock();
        const before = body.before ?? revokedAt;
        if (body.confirm !== true && isOwn(caller, target, before)) throw unconfirmed();
        const id = revocations.idOf(target);
        await revocations.reserve(tenant, id);
        const name = target.name === undefined ? {} : { name: clean(target.name) };
        const revocation = { id, kind: target.kind, ...name, before, revokedAt, by };
        await audit(tenant, [
          { actor: `user:${by}`, action: 'token.revoked', subject: id, data: auditData(revocation) },
        ]);
        const added = await revocations.add(tenant, revocation);
        logger.info({ tenant, revocation: id, kind: target.kind, by }, 'token.revoked');
        return json(201, view(added));
      }),
    );

    const list = {
      id: 'listRevocations',
      summary: 'List revocations, the latest first',
      description: 'Those that still concern a token which could be alive.',
      scope: 'tokens:revoke',
      answers: { 200: { description: 'all of the tenant', body: z.object({ revocations: z.array(revocationShape) }) } },
    } as const;
    app.get(
      '/revocations',
      endpoint(list, async ({ caller }) =>
        json(200, { revocations: (await revocations.list(caller.tenant)).map(view) }),
      ),
    );

    const remove = {
      id: 'deleteRevocation',
      summary: 'Delete a revocation',
      description: 'Its tokens are accepted again, as far as they are still alive.',
      scope: 'tokens:revoke',
      params,
      answers: { 204: { description: 'deleted' } },
    } as const;
    app.delete(
      '/revocations/:id',
      endpoint(remove, async ({ c, caller: { tenant, subject: by }, params: { id } }) => {
        const found = await revocations.get(tenant, id);
        if (found === null) throw new SallyportError('ERR_NOT_FOUND', NO_SUCH);
        const data = auditData(found);
        await audit(tenant, [{ actor: `user:${by}`, action: 'revocation.deleted', subject: id, data }]);
        await revocations.remove(tenant, id);
        logger.info({ tenant, revocation: id, by }, 'revocation.deleted');
        return c.body(null, 204);
      }),
    );
  };

const iso = (at: number): string => new Date(at).toISOString();

function targetOf({
  jti,
  sub,
}: {
  readonly jti?: string | undefined;
  readonly sub?: string | undefined;
}): RevocationTarget {
  if (jti !== undefined) return { kind: 'jti', name: jti };
  return sub === undefined ? { kind: 'tenant' } : { kind: 'sub', name: sub };
}

/** Whether it would end the token of the request itself. */
function isOwn({ subject, jti, issuedAt }: Caller, { kind, name }: RevocationTarget, before: number): boolean {
  if (kind === 'jti') return name === jti;
  return (kind === 'tenant' || name === subject) && (issuedAt === undefined || issuedAt < before);
}

const unconfirmed = (): SallyportError => {
  const message = 'must be true: this ends the token of the request itself';
  return new SallyportError('ERR_INVALID_REQUEST', `confirm: ${message}`, { errors: [{ path: 'confirm', message }] });
};

const auditData = ({ kind, name, before }: Revocation): JsonObject => ({
  kind,
  ...defined({ [kind]: name }),
  before: iso(before),
});

/** A revocation as the API shows it; the shape is public. */
const view = ({ id, kind, name, before, revokedAt, by }: Revocation) => ({
  id,
  ...(kind === 'tenant' ? { tenant: true } : { [kind]: name }),
  ...(kind !== 'jti' && { before: iso(before) }),
  revokedAt: iso(revokedAt),
  by,
});
