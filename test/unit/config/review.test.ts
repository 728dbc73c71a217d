import { expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';

const KEY = Buffer.alloc(32, 7).toString('base64');
const sound = {
  SALLYPORT_SEAL_KEY: KEY,
  SALLYPORT_ID_KEY: KEY,
  SLACK_SIGNING_SECRET: '8f742231b10e8888abcd99yyyzzz85a5',
};
const load = (environment: Record<string, string> = {}, file: unknown = undefined) =>
  loadConfig(file, { ...sound, ...environment }, 'all');
const reviewOf = (environment: Record<string, string> = {}, file?: unknown) => {
  const loaded = load(environment, file);
  return loaded.ok ? loaded.config.tenants.default?.review : loaded.problems;
};

test('replies do not wait unless it is said', () => {
  expect(reviewOf()).toEqual({ replies: 'never', expires: 86_400_000, approvers: [] });
});

test('the environment speaks for tenant default, a file for every tenant', () => {
  const environment = {
    SALLYPORT_REVIEW_REPLIES: 'always',
    SALLYPORT_REVIEW_EXPIRES: '2h',
    SALLYPORT_REVIEW_APPROVERS: 'ada, bob@example.com',
  };
  const review = { replies: 'always', expires: 7_200_000, approvers: ['ada', 'bob@example.com'] };
  expect(reviewOf(environment)).toEqual(review);
  const file = {
    tenants: { default: { review: { replies: 'always', expires: '2h', approvers: ['ada', 'bob@example.com'] } } },
  };
  expect(reviewOf({}, file)).toEqual(review);
  expect(reviewOf({}, { tenants: { default: { review: { approvers: [] } } } })).toMatchObject({ approvers: [] });
});

test.each([
  ['SALLYPORT_REVIEW_REPLIES', 'sometimes', 'must be never or always'],
  ['SALLYPORT_REVIEW_EXPIRES', '0s', 'must be from 1s to 90d'],
  ['SALLYPORT_REVIEW_APPROVERS', 'ada,,bob', 'has an empty name'],
])('%s=%s is refused', (name, value, message) => {
  expect(reviewOf({ [name]: value })).toEqual([`${name}: ${message}`]);
});

test('a tenant with reviews and no channel is no tenant that hears anything', () => {
  const { SLACK_SIGNING_SECRET: _, ...keys } = sound;
  const loaded = loadConfig({ tenants: { default: { review: { replies: 'always' } } } }, keys, 'all');
  expect(loaded.ok ? [] : loaded.problems).toEqual([expect.stringContaining('no channel is configured')]);
});
