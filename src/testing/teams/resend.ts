import { type SignedTeamsRequest, signTeamsActivity, type TeamsActivity, type TeamsBotSigning } from './signer.ts';

/** The connector gives up on an attempt after 15 s, and sends the activity again. */
const TIMEOUT_MS = 15_000;

/** What an attempt came to: an answer, or none in time. */
export interface TeamsAttempt {
  readonly at: number;
  readonly status: number | undefined;
  readonly request: SignedTeamsRequest;
}

export interface TeamsResendOptions {
  readonly activity: TeamsActivity;
  readonly signing: Omit<TeamsBotSigning, 'at'>;
  /** Sends one request. `undefined`, a rejection, or an answer after 15 s by `clock` count as none. */
  readonly send: (request: SignedTeamsRequest) => Promise<Pick<Response, 'status'> | undefined>;
  /** Epoch ms. */
  readonly clock: () => number;
  /** Lets that many ms pass on `clock`. */
  readonly pass: (ms: number) => Promise<void> | void;
  /** Default 2: nobody has seen Teams try a third time. */
  readonly attempts?: number;
}

/**
 * Delivers an activity as the connector does: the same activity again, with a fresh token, when 15 s have brought no
 * answer. Any answer ends it, a refusal too.
 */
export async function deliverActivity(options: TeamsResendOptions): Promise<readonly TeamsAttempt[]> {
  const { activity, signing, clock, pass, attempts: most = 2 } = options;
  const attempts: TeamsAttempt[] = [];
  while (attempts.length < most) {
    const at = clock();
    const request = signTeamsActivity(activity, { ...signing, at });
    const answer = await options.send(request).catch(() => undefined);
    const isLate = clock() - at > TIMEOUT_MS;
    const status = isLate ? undefined : answer?.status;
    attempts.push({ at, status, request });
    if (status !== undefined) return attempts;
    await pass(Math.max(0, at + TIMEOUT_MS - clock()));
  }
  return attempts;
}
