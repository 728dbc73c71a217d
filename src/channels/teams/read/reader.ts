import { defined } from '../../../core/defined.ts';
import type { Attachment, InboundEvent } from '../../../core/event.ts';
import type { Reader } from '../../channel.ts';
import { present } from '../receive/candidate.ts';
import { type Activity, activitySchema } from '../receive/payload.ts';

/**
 * Reads who wrote a message, by name, and what came with it. Files lie at SharePoint, under links that carry their own
 * permission and are not kept, so they are told of without their content.
 */
export const teamsReader: Reader = {
  async read({ payload }: InboundEvent) {
    const activity = activitySchema.safeParse(payload).data;
    const attachments = attachmentsOf(activity);
    const found = attachments.length > 0 ? { attachments } : {};
    return { kind: 'task', content: { ...defined({ authorName: present(activity?.from?.name) }), ...found } };
  },
};

/** What has a name is a file; the rest is the message's own HTML, and cards. */
const attachmentsOf = (activity: Activity | undefined): Attachment[] =>
  (activity?.attachments ?? []).flatMap(({ name, contentType }) =>
    name ? [{ name, type: contentType || 'application/octet-stream' }] : [],
  );
