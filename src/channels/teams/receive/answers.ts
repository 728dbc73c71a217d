import { type ErrorCode, tokenErrorCodes } from '../../../core/errors.ts';
import type { Answer } from '../../channel.ts';

type Table = Partial<Record<ErrorCode, Answer>>;

const UNAVAILABLE: Answer = { status: 503 };

const common: Table = {
  ERR_BODY_TOO_LARGE: { status: 413 },
  ERR_BODY_TIMEOUT: { status: 408 },
  ERR_BODY_ABORTED: { status: 400 },
  ERR_BODY_UNPARSABLE: { status: 400 },
  ERR_RATE_LIMITED: { status: 429 },
};

const withStatus = (codes: readonly ErrorCode[], status: number): Table =>
  Object.fromEntries(codes.map((code) => [code, { status }]));

/** The Bot Framework's documentation asks for 403 where its SDKs answer 401. */
const botTable: Table = { ...common, ...withStatus(tokenErrorCodes, 403) };

const outgoingTable: Table = {
  ...common,
  ...withStatus(
    [
      'ERR_SIGNATURE_MISSING',
      'ERR_SIGNATURE_MALFORMED',
      'ERR_SIGNATURE_MISMATCH',
      'ERR_TIMESTAMP_MALFORMED',
      'ERR_TIMESTAMP_OUTSIDE_TOLERANCE',
    ],
    401,
  ),
};

/** What is in neither table is our own trouble: keys that cannot be had, a store that is away, a full queue. */
export const answerToBot = (code: ErrorCode): Answer => botTable[code] ?? UNAVAILABLE;
export const answerToOutgoing = (code: ErrorCode): Answer => outgoingTable[code] ?? UNAVAILABLE;
