import { z } from 'zod';
import { durationBetween } from '../../core/setting-values.ts';

const TENANT = ['tenants', 'default', 'review'] as const;

/** Subjects of tokens, exactly. A comma list or an array; an empty array stands for everybody who has the scope. */
const approvers = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',').map((part) => part.trim()) : value),
  z.array(z.string({ error: 'must be text' }).min(1, { message: 'has an empty name' }), {
    error: 'must be a list of subjects',
  }),
);

/** Which of a tenant's replies wait for a person, how long, and for whom. */
export const reviewSchema = z
  .strictObject({
    /** An agent may ask for a review as well, whatever this says. */
    replies: z.enum(['never', 'always'], { error: 'must be never or always' }).default('never'),
    /** A reply nobody approved by then is not sent, and its event parked. */
    expires: durationBetween('1s', '90d').prefault('24h'),
    approvers: approvers.default([]),
  })
  .prefault({});

export const reviewEnvironment: Readonly<Record<string, readonly string[]>> = {
  SALLYPORT_REVIEW_REPLIES: [...TENANT, 'replies'],
  SALLYPORT_REVIEW_EXPIRES: [...TENANT, 'expires'],
  SALLYPORT_REVIEW_APPROVERS: [...TENANT, 'approvers'],
};
