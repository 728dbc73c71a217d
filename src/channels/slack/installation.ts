import { type Command, type Envelope, type Interaction, present } from './receive/payload.ts';

/** The app as installed in one workspace, or in a whole organisation. */
export interface SlackInstallation {
  readonly tenant: string;
  /** Absent: whichever app signed the delivery. */
  readonly appId?: string;
  /** Exactly one of the two says where it is installed. */
  readonly teamId?: string;
  readonly enterpriseId?: string;
  readonly botToken?: string;
  /** The bot's user (`U…`) and its bot id (`B…`). */
  readonly botUserId?: string;
  readonly botId?: string;
}

/** Whose installation a delivery is for. */
export interface Workspace {
  /** `api_app_id`; the legacy payloads have none. */
  readonly appId: string | undefined;
  /** The organisation for an organisation-wide installation, else the workspace. */
  readonly installedIn: string | undefined;
}

/**
 * The first authorization names the installation through which we see the event. The envelope's own `team_id` may be
 * another company's in a shared channel, and `event.team` is the sender's.
 */
export function workspaceOfEvent(envelope: Envelope): Workspace {
  const seenBy = envelope.authorizations?.[0];
  const enterprise = seenBy === undefined ? envelope.enterprise_id : seenBy.enterprise_id;
  const orgWide = seenBy === undefined ? envelope.is_enterprise_install : seenBy.is_enterprise_install;
  return workspace(envelope.api_app_id, orgWide === true, enterprise, seenBy?.team_id ?? envelope.team_id);
}

export const workspaceOfCommand = (command: Command): Workspace =>
  workspace(command.api_app_id, command.is_enterprise_install === 'true', command.enterprise_id, command.team_id);

/** In a shared channel a view is opened from the other company's workspace; `app_installed_team_id` is ours. */
export function workspaceOfInteraction(payload: Interaction): Workspace {
  const team = present(payload.view?.app_installed_team_id) ?? present(payload.team?.id) ?? payload.user.team_id;
  const enterprise = payload.enterprise?.id ?? payload.team?.enterprise_id;
  return workspace(payload.api_app_id, payload.is_enterprise_install === true, enterprise, team);
}

type Text = string | null | undefined;

function workspace(appId: Text, orgWide: boolean, enterprise: Text, team: Text): Workspace {
  return { appId: present(appId), installedIn: (orgWide ? present(enterprise) : undefined) ?? present(team) };
}

/** Finds the installation of a workspace. `undefined` when the table has none. */
export type FindInstallation = (workspace: Workspace) => SlackInstallation | undefined;

export function createInstallationTable(installations: readonly SlackInstallation[]): FindInstallation {
  const byPlace = new Map<string, SlackInstallation[]>();
  for (const entry of installations) {
    const place = entry.enterpriseId ?? entry.teamId ?? '';
    byPlace.set(place, [...(byPlace.get(place) ?? []), entry]);
  }
  return ({ appId, installedIn }) =>
    byPlace
      .get(installedIn ?? '')
      ?.find((entry) => appId === undefined || entry.appId === undefined || entry.appId === appId);
}
