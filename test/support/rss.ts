import { readFileSync } from 'node:fs';

/** Resident memory of a process, in MiB. */
export function rssOf(pid: number | undefined): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib) / 1024;
}
