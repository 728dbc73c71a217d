import { z } from 'zod';
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
    /** Hosts whose links stay clickable in replies. */
    linkHosts: listOf(hostPattern).default([]),
    /** Longest reply, in characters. */
    maxReplyChars: integer(500, 1_000_000).default(20_000),
    /** What becomes of a reply in which a secret is found. */
    secrets: z.enum(['clean', 'block'], { error: 'must be clean or block' }).default('clean'),
    /** Letters and digits of the instructions, in a row, that a reply may not have; 0 does not look for them. */
    promptLeak: integer(0, 100_000).default(80),
    /** What is said of a message or reply that was blocked; false: nothing. */
    blockedNotice: z
      .union([z.literal(false), z.string().trim().min(1).max(500)], { error: 'must be 1 to 500 characters, or false' })
      .default('Sorry, I cannot answer this.'),
    services: z
      .array(service)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, { message: 'have the same name' })
      .default([]),
  })
  .prefault({});

export const guardrailsEnvironment: Readonly<Record<string, readonly string[]>> = {
  SALLYPORT_LINK_HOSTS: ['guardrails', 'linkHosts'],
};
