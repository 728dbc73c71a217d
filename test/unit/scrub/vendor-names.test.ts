import { describe, expect, it } from 'vitest';
import { ALNUM, createRandom, HEX, LOWER_ALNUM, URL_SAFE, uuid } from './corpus/random.ts';
import { clean } from './support.ts';

/** How configuration and code of many languages tie a value to a vendor's name. */
const NOTATIONS = [
  '{v}Token = "{s}"',
  '{v}Token={s}',
  '{\n    "{v}_token": "{s}"\n}',
  '{v}_token: {s}',
  'var {v}Token string = "{s}"',
  '{v}Token := `{s}`',
  '${v}Token .= "{s}"',
  '"{v}_token" => "{s}"',
  '<{v}Token>\n    {s}\n</{v}Token>',
  '{v}_TOKEN ?= "{s}"',
  'config.put("{v}Token", "{s}")',
  'export {v}_API_KEY={s}',
];

const random = createRandom(77);
const lower = (length: number) => () => random.chars(LOWER_ALNUM, length);
const hex = (length: number) => () => random.chars(HEX, length);
const mixed = (length: number) => () => random.chars(ALNUM, length);
const dashed = (length: number) => () => random.chars(`${LOWER_ALNUM}_-`, length);

/** What these vendors' keys look like, by their documentation; none has a mark of its own. */
const vendors: Readonly<Record<string, () => string>> = {
  adafruit: dashed(32),
  adobe: hex(32),
  algolia: lower(32),
  asana: () => random.chars('123456789', 16),
  bittrex: lower(32),
  codecov: lower(32),
  coinbase: dashed(64),
  contentful: dashed(43),
  datadog: lower(40),
  discord: dashed(32),
  droneci: lower(32),
  etsy: lower(24),
  fastly: dashed(32),
  finnhub: lower(20),
  freshbooks: lower(64),
  heroku: () => uuid(random),
  intercom: () => random.chars(`${LOWER_ALNUM}=_-`, 60),
  kucoin: hex(24),
  launchdarkly: dashed(40),
  mattermost: lower(26),
  netlify: dashed(43),
  nytimes: dashed(32),
  okta: () => `00${random.chars(URL_SAFE, 40)}`,
  pinecone: () => uuid(random),
  rapidapi: dashed(50),
  sendbird: hex(40),
  squarespace: () => uuid(random),
  sumologic: lower(64),
  travisci: mixed(22),
  zendesk: lower(40),
};

describe.each(Object.entries(vendors))('a key of %s', (vendor, make) => {
  it('is hidden in at least 95 of 100 places', () => {
    const texts = NOTATIONS.flatMap((notation) =>
      Array.from({ length: 10 }, () => {
        const secret = make();
        return { secret, text: notation.replaceAll('{v}', () => vendor).replace('{s}', () => secret) };
      }),
    );
    const shown = texts.filter(({ secret, text }) => clean(text).includes(secret));
    expect(shown.length / texts.length).toBeLessThanOrEqual(0.05);
  });
});
