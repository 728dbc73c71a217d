import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, type TaskMeta, test } from 'vitest';
import tools from '../../scripts/test-tools.json' with { type: 'json' };

declare module 'vitest' {
  interface TaskMeta {
    /** What a skipped test lacks; the closing lines of a run count skipped tests by it. */
    needs?: string;
  }
}

/** A program that some tests start; `npm run setup` installs it. */
export type Tool = keyof typeof tools;

interface Probe {
  readonly probe: readonly string[];
  readonly prints?: string;
  /** What `prints` accepts, in words. */
  readonly version?: string;
}

const isThere = (tool: Tool): boolean => {
  const { probe, prints = '' }: Probe = tools[tool];
  const { status, stdout } = spawnSync(tool, probe, { encoding: 'utf8' });
  return status === 0 && new RegExp(prints).test(stdout);
};

const nameOf = (tool: Tool): string => {
  const { version = '' }: Probe = tools[tool];
  return `${tool} ${version}`.trim();
};

type Body = () => void | Promise<void>;

/** Declares a suite or a test. */
type Declare<B extends Body> = (title: string, body: B) => void;
type DeclareSkipped<B extends Body> = (title: string, options: { skip: true; meta: TaskMeta }, body: B) => void;

/**
 * Declares a suite or a test whose needs are not met: it is skipped, and the closing lines of the run say why. With
 * `CI=true` it fails instead, unless the absence was declared: a pipeline must not pass because something was missing.
 */
function unmet<B extends Body>(declare: DeclareSkipped<B>, needs: string, isDeclared = false): Declare<B> {
  if (isDeclared || process.env.CI !== 'true') {
    return (title, body) => declare(title, { skip: true, meta: { needs } }, body);
  }
  return (title) => {
    test(title, () => {
      throw new Error(`missing ${needs}`);
    });
  };
}

const lack = (wanted: readonly Tool[]): string | null => {
  const missing = wanted.filter((tool) => !isThere(tool)).map(nameOf);
  return missing.length === 0 ? null : `${missing.join(', ')}: \`npm run setup\` installs it`;
};

/** A `describe` for a suite that lacks something, in words with the remedy, or nothing (`null`). */
export const describeUnless = (needs: string | null): Declare<() => void> =>
  needs === null ? describe : unmet(describe, needs);

/** A `describe` for a suite that starts these programs. */
export function describeWith(...wanted: readonly Tool[]): Declare<() => void> {
  return describeUnless(lack(wanted));
}

/** A `test` that starts these programs. */
export function testWith(...wanted: readonly Tool[]): Declare<Body> {
  const needs = lack(wanted);
  return needs === null ? test : unmet(test, needs);
}

/**
 * Samples collected from vendors and their SDKs, which are not part of this repository: the tests stand alone without
 * them. They are looked for beside the checkout, or where `SALLYPORT_TEST_SAMPLES` says; `SALLYPORT_TEST_SAMPLES=none`
 * states that they are absent on purpose, which then passes with `CI=true` too.
 */
const setting = process.env.SALLYPORT_TEST_SAMPLES || undefined;
const areDeclined = setting === 'none';
const folder = resolve(join(import.meta.dirname, '..', '..'), setting ?? join('..', 'shared'));

export interface Samples {
  /** A `describe` for what runs over them. Its body is read for the titles of skipped tests too. */
  readonly describe: Declare<() => void>;
  /** `null` when they are missing. */
  readonly bytes: () => Buffer | null;
  /** The file as JSON; `null` when it is missing. */
  readonly json: <T>() => T | null;
}

/** One file of the collected samples, by its path in their folder. */
export function samples(path: string): Samples {
  const file = join(folder, path);
  const isMissing = areDeclined || !existsSync(file);
  const needs = `collected samples, ${path}: \`SALLYPORT_TEST_SAMPLES\` is their folder, or \`none\``;
  const bytes = () => (isMissing ? null : readFileSync(file));
  return {
    describe: isMissing ? unmet(describe, needs, areDeclined) : describe,
    bytes,
    json<T>() {
      const read = bytes();
      return read === null ? null : (JSON.parse(read.toString('utf8')) as T);
    },
  };
}
