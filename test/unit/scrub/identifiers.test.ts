import { describe, expect, it } from 'vitest';
import {
  ALNUM,
  BASE58,
  BASE64,
  base64Of,
  createRandom,
  DIGITS,
  HEX,
  LOWER_ALNUM,
  UPPER_ALNUM,
  URL_SAFE,
  uuid,
} from './corpus/random.ts';
import { scrub } from './support.ts';

const random = createRandom(31);
const chars = random.chars.bind(random);

/** Identifiers of the vendors whose payloads pass here, and what else looks generated without being secret. */
const identifiers: Readonly<Record<string, () => string>> = {
  'Exchange message': () => `AAMkAG${chars(URL_SAFE, 140)}=`,
  'Exchange change key': () => `CQAAABYAAAB${chars(BASE64, 24)}==`,
  'Teams conversation': () => `19:${chars(HEX, 32)}@thread.tacv2`,
  'Teams user': () => `29:1${chars(URL_SAFE, 84)}`,
  'Teams bot conversation': () => `a:1${chars(URL_SAFE, 130)}`,
  'Slack timestamp': () => `${chars('123456789', 10)}.${chars(DIGITS, 6)}`,
  'Slack user': () => `U${chars(UPPER_ALNUM, 10)}`,
  'Slack cursor': () => base64Of(`next_ts:${chars(DIGITS, 16)}`),
  'Slack trigger': () => `${chars(DIGITS, 12)}.${chars(DIGITS, 10)}.${chars(HEX, 32)}`,
  'Slack file': () =>
    `https://files.slack.com/files-pri/T${chars(UPPER_ALNUM, 8)}-F${chars(UPPER_ALNUM, 10)}/image.png`,
  'Gmail message': () => chars(HEX, 16),
  'Outlook message id': () =>
    `<${chars(UPPER_ALNUM, 16)}.${chars(UPPER_ALNUM, 10)}@AM0PR01MB${chars(DIGITS, 4)}.example.com>`,
  UUID: () => uuid(random),
  'SHA-1': () => chars(HEX, 40),
  'SHA-256': () => chars(HEX, 64),
  integrity: () => `sha512-${chars(BASE64, 86)}==`,
  ULID: () => `01H${chars('0123456789ABCDEFGHJKMNPQRSTVWXYZ', 23)}`,
  'nano id': () => chars(URL_SAFE, 21),
  document: () => `1${chars(URL_SAFE, 43)}`,
  'payment intent': () => `pi_${chars(ALNUM, 24)}`,
  completion: () => `chatcmpl-${chars(ALNUM, 29)}`,
  trace: () => `00-${chars(HEX, 32)}-${chars(HEX, 16)}-01`,
  pod: () => `web-${chars(LOWER_ALNUM, 10)}-${chars(LOWER_ALNUM, 5)}`,
  image: () => `nginx@sha256:${chars(HEX, 64)}`,
  bundle: () => `main.${chars(HEX, 20)}.js`,
  'content id': () => `Qm${chars(BASE58, 44)}`,
  'wallet address': () => `0x${chars(HEX, 40)}`,
  'role name': () => `arn:aws:iam::${chars(DIGITS, 12)}:role/service-role/x-${chars(LOWER_ALNUM, 8)}`,
  picture: () => `data:image/png;base64,${chars(BASE64, 400)}`,
};

describe('identifiers', () => {
  it.each(Object.entries(identifiers))('%s stays as it is, alone and in a sentence', (_, make) => {
    for (let sample = 0; sample < 150; sample += 1) {
      const id = make();
      expect(scrub({ id, ids: [id], text: `please see ${id} for it` }).findings).toEqual([]);
    }
  });
});
