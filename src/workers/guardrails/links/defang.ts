import { defuseAngles } from './angles.ts';
import { defuseBrackets } from './brackets.ts';
import { defuseDomains } from './domains.ts';
import type { IsListed } from './link-hosts.ts';
import { unmask } from './unmask.ts';
import { defuseUrls } from './urls.ts';

/** What taking one disguise away may lay bare, another may follow; honest text needs one round and the look that confirms it. */
const ROUNDS = 8;

/** Stands for a text that is a disguise of a disguise of a disguise. */
const HOPELESS = '[removed: a text made of links in disguise]';

/**
 * Leaves no link to a host that is not listed: neither one of Markdown, HTML or Slack, nor text that a client makes a link
 * of. What was one can still be read, without what it carried in its path and query. Code is treated as any other text,
 * because clients disagree about where it ends. Takes time in proportion to the text; what it returns it does not change
 * again.
 */
export function defang(text: string, isListed: IsListed): string {
  let current = text;
  for (let round = 0; round < ROUNDS; round += 1) {
    const next = once(current, isListed);
    if (next === current) return current;
    current = next;
  }
  return HOPELESS;
}

const once = (text: string, isListed: IsListed): string =>
  defuseDomains(defuseUrls(defuseBrackets(defuseAngles(unmask(text), isListed), isListed), isListed), isListed);
