import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { durationBetween, flag, hostPattern, httpUrl, integer, listOf, secret } from '../../core/setting-values.ts';

const stages = z
  .array(z.enum(['input', 'tool-call', 'output'], { error: 'must be input, tool-call or output' }))
  .min(1, { message: 'is empty' })
  .default(['input', 'tool-call', 'output']);

/** A service that is asked about texts. */
const service = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, { message: 'must be 1 to 31 of a-z, 0-9 and -, starting with a letter' }),
  url: httpUrl,
  token: secret(16).optional(),
  stages,
  /** No verdict by then blocks. */
  timeout: durationBetween('100ms', '1m').prefault('5s'),
  /** How long the same question is not asked again. */
  cache: durationBetween('0ms', '24h').prefault('1m'),
  /** Whether it sees the agent's instructions. */
  instructions: flag.default(true),
});

/** What texts pass on their way to a model, a tool and the channel. */
export const guardrailsSchema = z
  .strictObject({
    linkHosts: setting(listOf(hostPattern).default([]), {
      env: 'SALLYPORT_LINK_HOSTS',
      description: 'hosts whose links stay clickable in replies: `docs.example.com` or `*.example.com`, a comma list',
    }),
    maxReplyChars: setting(integer(500, 1_000_000).default(20_000), {
      description: 'longest reply, in characters',
    }),
    secrets: setting(z.enum(['clean', 'block'], { error: 'must be clean or block' }).default('clean'), {
      description: 'what becomes of a reply in which a secret is found: `clean` or `block`',
    }),
    promptLeak: setting(integer(0, 100_000).default(80), {
      description:
        'letters and digits of the instructions, in a row, that a reply may not have; 0 does not look for them',
    }),
    blockedNotice: setting(
      z
        .union([z.literal(false), z.string().trim().min(1).max(500)], {
          error: 'must be 1 to 500 characters, or false',
        })
        .default('Sorry, I cannot answer this.'),
      { description: 'what is said of a message or reply that was blocked; `false`: nothing' },
    ),
    services: setting(
      z
        .array(service)
        .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, { message: 'have the same name' })
        .default([]),
      { description: 'services of yours that are asked about texts ([guardrails.md](guardrails.md))' },
    ),
  })
  .prefault({});
