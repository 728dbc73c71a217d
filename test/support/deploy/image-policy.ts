import { lastOf, parseDockerfile, type Stage } from '../../../deploy/local/dockerfile.ts';

const PINNED = /@sha256:[0-9a-f]{64}$/;

/** What is wrong with a Dockerfile of the product, one sentence each; empty if nothing is. */
export function imageProblems(text: string): readonly string[] {
  const stages = parseDockerfile(text);
  const final = stages.at(-1);
  if (final === undefined) return ['there is no stage'];
  return [
    ...stages.flatMap((stage, index) => baseProblems(stage, stages.slice(0, index))),
    ...stages.flatMap(installProblems),
    ...finalProblems(final),
  ];
}

function baseProblems({ base }: Stage, earlier: readonly Stage[]): readonly string[] {
  if (earlier.some(({ name }) => name === base)) return [];
  return PINNED.test(base) ? [] : [`${base}: the base image is not pinned by its digest`];
}

function installProblems({ instructions }: Stage): readonly string[] {
  const runs = instructions.filter(({ name }) => name === 'RUN').map(({ text, words }) => words?.join(' ') ?? text);
  const npm = runs.filter((run) => run.startsWith('npm '));
  return [
    ...runs.filter((run) => /\b(apt-get|apk|curl|wget)\b/.test(run)).map((run) => `${run}: installs programs`),
    ...npm.filter((run) => !run.includes('--ignore-scripts')).map((run) => `${run}: runs scripts of packages`),
    ...npm.filter((run) => !/^npm (ci|prune) /.test(run)).map((run) => `${run}: does not follow the lock file`),
  ];
}

function finalProblems(stage: Stage): readonly string[] {
  const { base, instructions } = stage;
  const user = lastOf(stage, 'USER')?.text ?? '0';
  const entry = lastOf(stage, 'ENTRYPOINT')?.words ?? null;
  const health = lastOf(stage, 'HEALTHCHECK');
  const environment = instructions.filter(({ name }) => name === 'ENV' || name === 'ARG').map(({ text }) => text);
  const stopSignal = lastOf(stage, 'STOPSIGNAL')?.text ?? 'SIGTERM';
  return [
    ...(/^gcr\.io\/distroless\//.test(base) ? [] : [`${base}: the final image has a shell`]),
    ...(/^[1-9]\d*(:[1-9]\d*)?$/.test(user) ? [] : [`USER ${user}: is root, or not a number`]),
    ...(entry?.[0]?.endsWith('/node') ? [] : ['ENTRYPOINT: process 1 is not node itself']),
    ...(lastOf(stage, 'CMD')?.words ? [] : ['CMD: is given to a shell']),
    ...(health?.words ? [] : ['HEALTHCHECK: is missing, or given to a shell']),
    ...(stopSignal === 'SIGTERM' ? [] : [`STOPSIGNAL ${stopSignal}: does not drain`]),
    ...instructions
      .filter(({ name }) => ['RUN', 'ADD'].includes(name))
      .map(({ name }) => `${name}: in the final stage`),
    ...instructions.filter(({ text }) => /--chown|--chmod/.test(text)).map(({ text }) => `${text}: changes the owner`),
    ...environment.filter((text) => /SECRET|TOKEN|PASSWORD|_KEY|_URL/.test(text)).map((text) => `${text}: a secret`),
  ];
}
