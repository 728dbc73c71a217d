/** One instruction of a Dockerfile, as it is written, with continued lines joined. */
export interface Instruction {
  /** In upper case, e.g. `COPY`. */
  readonly name: string;
  /** The rest of the line. */
  readonly text: string;
  /** The arguments of the JSON form; `null` in any other form, which Docker gives to a shell. */
  readonly words: readonly string[] | null;
}

export interface Stage {
  /** What `FROM` names: an image or an earlier stage. */
  readonly base: string;
  /** The name after `AS`, if there is one. */
  readonly name: string | null;
  readonly instructions: readonly Instruction[];
}

/**
 * Reads the stages of a Dockerfile. It knows what ours uses: comments, continued lines and the JSON form, but neither
 * here-documents nor `ARG` in `FROM`.
 */
export function parseDockerfile(text: string): readonly Stage[] {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(#|$)/.test(line))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n');
  const stages: { base: string; name: string | null; instructions: Instruction[] }[] = [];
  for (const line of lines) {
    const [, name = '', rest = ''] = /^\s*(\w+)\s+(.*?)\s*$/.exec(line) ?? [];
    if (name.toUpperCase() === 'FROM') {
      const [base = '', , as = null] = rest.split(/\s+/);
      stages.push({ base, name: as, instructions: [] });
      continue;
    }
    // HEALTHCHECK has its options before CMD, and COPY may have some before the paths.
    const [json = null] = /\[.*\]$/.exec(rest) ?? [];
    const instruction = { name: name.toUpperCase(), text: rest, words: json === null ? null : wordsOf(json) };
    stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

function wordsOf(json: string): readonly string[] | null {
  try {
    const value: unknown = JSON.parse(json);
    return Array.isArray(value) && value.every((word) => typeof word === 'string') ? value : null;
  } catch {
    return null;
  }
}

/** The last one of its name, which is the one that counts. */
export const lastOf = ({ instructions }: Stage, name: string): Instruction | null =>
  instructions.findLast((instruction) => instruction.name === name) ?? null;
