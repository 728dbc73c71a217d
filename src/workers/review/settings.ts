import * as z from 'zod';
import { setting } from '../../core/setting.ts';
import { durationBetween } from '../../core/setting-values.ts';

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
    replies: setting(z.enum(['never', 'always'], { error: 'must be never or always' }).default('never'), {
      env: 'SALLYPORT_REVIEW_REPLIES',
      description: '`always`: every reply waits; with `never` those an agent wants reviewed',
    }),
    expires: setting(durationBetween('1s', '90d').prefault('24h'), {
      env: 'SALLYPORT_REVIEW_EXPIRES',
      description: 'a reply nobody approved by then is not sent, and its event parked',
    }),
    approvers: setting(approvers.default([]), {
      env: 'SALLYPORT_REVIEW_APPROVERS',
      description: 'comma list of subjects (`sub`) that may decide',
      default: 'whoever has the scope',
    }),
  })
  .prefault({});
