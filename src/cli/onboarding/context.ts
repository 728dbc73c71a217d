import { type Onboarding, type OnboardingContext, OnboardingError } from '../../channels/onboarding.node.ts';
import { plugs } from '../../channels/registry.node.ts';
import type { ChannelName } from '../../core/event.ts';
import { tenantName } from '../../core/setting-values.ts';
import { parseUrl } from '../../core/text/url.ts';
import { EXIT, Exit, type Io } from '../io.ts';
import { givenSettings } from '../settings.ts';

/** What a channel has to say about its vendor. */
export async function loadOnboarding(channel: ChannelName): Promise<Onboarding> {
  const onboarding = await (await plugs.halves[channel]?.())?.onboarding?.();
  if (onboarding === undefined) throw new Error(`${channel} has nothing to set up`);
  return onboarding;
}

/** @throws Exit with the code of what is missing or wrong */
export function withUsage<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof OnboardingError ? new Exit(EXIT[error.kind], error.message) : error;
  }
}

/**
 * What is known of a channel before its configuration is complete. `--url` comes before `SALLYPORT_PUBLIC_URL`.
 * @throws Exit 2 without a URL that vendors could reach
 */
export async function contextOf(
  channel: ChannelName,
  { url, tenant }: { readonly url?: string; readonly tenant: string },
  io: Io,
): Promise<OnboardingContext> {
  if (!tenantName.safeParse(tenant).success) throw new Exit(EXIT.usage, '--tenant: is not a tenant name');
  const { settings, publicUrl } = await givenSettings(io, tenant, channel);
  const given = url ?? publicUrl;
  if (given === undefined) throw new Exit(EXIT.usage, '--url: is required (or SALLYPORT_PUBLIC_URL)');
  const parsed = parseUrl(given);
  if (parsed?.protocol !== 'https:' || parsed.pathname !== '/' || parsed.search !== '' || parsed.hash !== '') {
    throw new Exit(
      EXIT.usage,
      `${url === undefined ? 'SALLYPORT_PUBLIC_URL' : '--url'}: must be https://host, without a path`,
    );
  }
  return { tenant, url: parsed.origin, settings };
}
