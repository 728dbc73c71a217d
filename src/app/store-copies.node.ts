import { join } from 'node:path';
import type { StoreCopies } from '../cli/store-access.ts';
import { nodeCrypto } from '../core/crypto/crypto.node.ts';
import { defined } from '../core/defined.ts';
import { createIdentifier } from '../core/identity.ts';
import { checkCopy, copyDataFile, restoreDataFile } from '../queue/embedded/file/copies.ts';
import { DATA_FILE, idCheckOf } from './store.node.ts';

/** For `sallyport backup` and `sallyport restore`. */
export const storeCopies: StoreCopies = {
  copy: (dataDir, to) => copyDataFile(join(dataDir, DATA_FILE), to),
  check: checkCopy,
  restore: (from, dataDir, { idKeys, sha256 }) => {
    const known = new Set(idKeys.map((key) => idCheckOf(createIdentifier(nodeCrypto, key))));
    const isKnownKey = (idCheck: string): boolean => known.size === 0 || known.has(idCheck);
    return restoreDataFile(from, join(dataDir, DATA_FILE), { isKnownKey, ...defined({ sha256 }) });
  },
};
