import { open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { allVariables } from './environment.ts';
import { type Environment, isGiven } from './variables.ts';

/** Most that is read of a secret's file, in bytes. Keys in PEM, several of them, are smaller. */
const MOST_BYTES = 64 * 1024;

/** A secret that was to come from a file and did not. */
export interface SecretFileProblem {
  /** Of the secret, without `_FILE`. */
  readonly name: string;
  /** `SETTING: what is wrong`, with the file's path and never with its content. */
  readonly message: string;
}

export interface SecretFiles {
  /** The environment, with the secrets whose files were read. */
  readonly environment: Environment;
  readonly problems: readonly SecretFileProblem[];
}

/** Reads the files that `NAME_FILE` names for secrets. Relative paths start at the folder. Never throws. */
export async function readSecretFiles(
  folder: string,
  environment: Environment,
  names: readonly string[] = allVariables.secret,
): Promise<SecretFiles> {
  const problems: SecretFileProblem[] = [];
  const read: Record<string, string> = {};
  for (const name of names) {
    const variable = `${name}_FILE`;
    const path = environment[variable];
    if (path === undefined || path.trim() === '') continue;
    if (isGiven(name, environment, allVariables)) {
      problems.push({ name, message: `${name}: is set, and so is ${variable}; remove one of them` });
      continue;
    }
    const found = await readSecret(resolve(folder, path));
    if ('text' in found) read[name] = found.text;
    else problems.push({ name, message: `${variable}: ${path} ${found.problem}` });
  }
  return { environment: { ...environment, ...read }, problems };
}

async function readSecret(path: string): Promise<{ readonly text: string } | { readonly problem: string }> {
  try {
    // To open a pipe that nobody writes to would keep the start waiting for ever.
    if (!(await stat(path)).isFile()) return { problem: 'is not a file' };
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES + 1));
      if (bytesRead > MOST_BYTES) return { problem: 'is larger than 64 KiB' };
      return textOf(buffer.subarray(0, bytesRead));
    } finally {
      await file.close();
    }
  } catch (error) {
    return { problem: `cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}

/** Without the line break that editors and `echo` leave at the end. */
function textOf(bytes: Uint8Array): { readonly text: string } | { readonly problem: string } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
    return text.trim() === '' ? { problem: 'is empty' } : { text };
  } catch {
    return { problem: 'is not UTF-8 text' };
  }
}
