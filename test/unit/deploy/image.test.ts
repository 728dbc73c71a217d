import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { lastOf, parseDockerfile } from '../../../deploy/local/dockerfile.ts';
import { imageProblems } from '../../support/deploy/image-policy.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const text = read('deploy/docker/Dockerfile');
const stages = parseDockerfile(text);
const final = stages.at(-1) ?? { base: '', name: null, instructions: [] };

describe('the policy', () => {
  test('the Dockerfile keeps it', () => {
    expect(imageProblems(text)).toEqual([]);
  });

  test.each([
    ['a base image without a digest', /nodejs24-debian12:nonroot@\S+/, 'nodejs24-debian12:nonroot', 'is not pinned'],
    ['a digest that is cut', /(node:24\S+@sha256:\w{63})\w/, '$1', 'is not pinned'],
    [
      'a final image with a shell',
      /gcr\.io\/distroless\/nodejs24-debian12:nonroot/,
      'node:24-bookworm-slim',
      'has a shell',
    ],
    ['root', /USER .*/, 'USER 0:0', 'is root'],
    ['no user', /USER .*/, '', 'is root'],
    ['a user by name', /USER .*/, 'USER nonroot', 'not a number'],
    ['a shell as process 1', /ENTRYPOINT .*/, 'ENTRYPOINT node bin/sallyport.js', 'process 1 is not node'],
    ['npm as process 1', /ENTRYPOINT .*/, 'ENTRYPOINT ["npm", "start"]', 'process 1 is not node'],
    ['a role given to a shell', /CMD \["ingress"\]/, 'CMD ingress', 'CMD: is given to a shell'],
    ['no health check', /HEALTHCHECK .*/, '', 'HEALTHCHECK: is missing'],
    [
      'a health check by a shell',
      /HEALTHCHECK .*/,
      'HEALTHCHECK CMD curl localhost',
      'HEALTHCHECK: is missing, or given',
    ],
    ['a signal that does not drain', /STOPSIGNAL .*/, 'STOPSIGNAL SIGKILL', 'does not drain'],
    [
      'a program in the final image',
      /EXPOSE/,
      'RUN ["npm", "ci", "--ignore-scripts"]\nEXPOSE',
      'RUN: in the final stage',
    ],
    ['a program from Debian', /RUN \["npm", "ci"/, 'RUN apt-get install ripgrep\n$&', 'installs programs'],
    ['scripts of packages', / "--ignore-scripts",/, '', 'runs scripts of packages'],
    ['packages that the lock file does not name', /"npm", "ci"/, '"npm", "install"', 'does not follow the lock file'],
    ['files that the process may change', /--from=build \/app\/dist/, '--chown=65532 $&', 'changes the owner'],
    ['a secret', /ENV NODE_ENV/, 'ENV SALLYPORT_SEAL_KEY=x NODE_ENV', 'a secret'],
  ])('refuses %s', (_, found, instead, problem) => {
    expect(text).toMatch(found);
    expect(imageProblems(text.replace(found, instead)).filter((line) => line.includes(problem))).toHaveLength(1);
  });
});

describe('what is copied', () => {
  const copies = final.instructions
    .filter(({ name }) => name === 'COPY')
    .map(
      ({ text: words }) =>
        words
          .split(/\s+/)
          .filter((word) => !word.startsWith('--'))[0]
          ?.replace('/app/', '') ?? '',
    );
  const manifest = JSON.parse(read('package.json')) as { readonly files: readonly string[] };

  test('is what the package has, its dependencies and the health check', () => {
    // No process reads the guides, and wrangler.toml is for the edge. npm adds package.json and LICENSE to every package.
    const ofPackage = manifest.files.filter((name) => name !== 'wrangler.toml' && !name.endsWith('.md'));
    const others = ['package.json', 'LICENSE', 'node_modules', 'deploy/docker/healthcheck.js'];
    expect(copies.toSorted()).toEqual([...ofPackage, ...others].toSorted());
  });

  test('has production dependencies alone, as the lock file says', () => {
    const runs = stages[0]?.instructions.filter(({ name }) => name === 'RUN').map(({ words }) => words ?? []) ?? [];
    expect(runs[0]?.slice(0, 2)).toEqual(['npm', 'ci']);
    expect(runs.at(-1)).toEqual(expect.arrayContaining(['npm', 'prune', '--omit=dev']));
    // The bundle loads zod, which is a peer dependency of the package.
    expect(runs.flat()).not.toContain('--omit=peer');
    const lockCopied = stages[0]?.instructions.some(({ text: words }) => words.includes('package-lock.json'));
    expect(lockCopied).toBe(true);
    // The final stage takes them from the stage that pruned them, not from the build's context.
    const taken = final.instructions.filter(({ text: words }) => words.includes('node_modules'));
    expect(taken.map(({ text: words }) => words.split(' ')[0])).toEqual(['--from=build']);
  });

  test('comes into the build by .dockerignore, and nothing else does', () => {
    const [first, ...allowed] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    const fromContext = stages.flatMap(({ instructions }) =>
      instructions
        .filter(({ name, text: words }) => name === 'COPY' && !words.startsWith('--from'))
        .flatMap(({ text: words }) => words.split(/\s+/).slice(0, -1)),
    );
    expect(allowed.map((line) => line.slice(1)).toSorted()).toEqual(fromContext.toSorted());
    expect(fromContext.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('has a health check that is copied to where HEALTHCHECK looks for it', () => {
    expect(lastOf(final, 'HEALTHCHECK')?.words?.[1]).toBe('/app/healthcheck.js');
    expect(final.instructions.map(({ text: words }) => words)).toContain(
      'deploy/docker/healthcheck.js ./healthcheck.js',
    );
  });
});
