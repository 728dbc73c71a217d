import { type Onboarding, readSetting, shellWord } from '../onboarding.node.ts';
import { gmailSchema } from './settings.ts';

/** `projects/<project>/<kind>/<name>` as its two names. */
const partsOf = (resource: string | undefined): readonly [project?: string, name?: string] => {
  const [, project, , name] = resource?.split('/') ?? [];
  return project === undefined || name === undefined ? [] : [project, name];
};

/** Google's own account that tells a topic of new mail (developers.google.com/workspace/gmail/api/guides/push). */
const PUBLISHER = 'gmail-api-push@system.gserviceaccount.com';

const SCOPE = 'https://www.googleapis.com/auth/gmail.modify';

const DELEGATION = 'https://admin.google.com/ac/owl/domainwidedelegation';

export const gmailOnboarding: Onboarding = {
  environment: [
    'GMAIL_TOPIC',
    'GMAIL_PUSH_SERVICE_ACCOUNT',
    'GMAIL_PUSH_AUDIENCE',
    'GMAIL_PUSH_SUBSCRIPTION',
    'GMAIL_MAILBOXES',
    'GOOGLE_APPLICATION_CREDENTIALS',
  ],
  setup({ tenant, url, settings }) {
    const [topicProject, topic = 'sallyport-mail'] = partsOf(readSetting(gmailSchema, 'topic', settings));
    const [project = topicProject, subscription = 'sallyport-mail-push'] = partsOf(
      readSetting(gmailSchema, 'subscription', settings),
    );
    const endpoint = `${url}/hooks/gmail/${tenant}`;
    const audience = readSetting(gmailSchema, 'audience', settings) ?? endpoint;
    const account = readSetting(gmailSchema, 'serviceAccount', settings);
    const mailboxes = readSetting(gmailSchema, 'mailboxes', settings) ?? [];
    const values = {
      GMAIL_TOPIC: `"projects/\${TOPIC_PROJECT}/topics/\${TOPIC}"`,
      GMAIL_PUSH_SERVICE_ACCOUNT: '"$PUSH"',
      GMAIL_PUSH_AUDIENCE: '"$AUDIENCE"',
      GMAIL_PUSH_SUBSCRIPTION: `"projects/\${PROJECT}/subscriptions/\${SUBSCRIPTION}"`,
      GOOGLE_APPLICATION_CREDENTIALS: '"$PWD/gmail-key.json"',
    };
    const fields: Readonly<Record<keyof typeof values, string>> = {
      GMAIL_TOPIC: 'topic',
      GMAIL_PUSH_SERVICE_ACCOUNT: 'serviceAccount',
      GMAIL_PUSH_AUDIENCE: 'audience',
      GMAIL_PUSH_SUBSCRIPTION: 'subscription',
      GOOGLE_APPLICATION_CREDENTIALS: 'credentialsFile',
    };
    const names = Object.keys(values) as (keyof typeof values)[];
    const missing = names.filter((name) => settings[fields[name]] === undefined);
    const hasKey = settings.credentialsFile !== undefined;
    return {
      appended: missing,
      steps: [
        {
          title: 'Sign in and choose the project',
          why: ['It holds the topic, the push subscription and both service accounts. Pub/Sub bills by what is sent.'],
          commands: [
            'gcloud auth login',
            project === undefined ? 'PROJECT=$(gcloud config get-value project)' : `PROJECT=${shellWord(project)}`,
            topicProject === undefined ? 'TOPIC_PROJECT=$PROJECT' : `TOPIC_PROJECT=${shellWord(topicProject)}`,
            `TOPIC=${shellWord(topic)} SUBSCRIPTION=${shellWord(subscription)} AUDIENCE=${shellWord(audience)}`,
            'gcloud services enable gmail.googleapis.com pubsub.googleapis.com --project "$PROJECT"',
          ],
        },
        {
          title: 'Make the topic and let Gmail publish to it',
          why: [
            `roles/pubsub.publisher for ${PUBLISHER}: Gmail tells the topic of new mail, and nobody else may.`,
            'Where an organisation policy restricts sharing by domain (iam.allowedPolicyMemberDomains), this project needs an exception.',
          ],
          commands: [
            'gcloud pubsub topics create "$TOPIC" --project "$TOPIC_PROJECT"',
            `gcloud pubsub topics add-iam-policy-binding "$TOPIC" --project "$TOPIC_PROJECT" --member serviceAccount:${PUBLISHER} --role roles/pubsub.publisher`,
          ],
        },
        {
          title: 'Make the account that signs the pushes',
          why: [
            'The gate believes a push by the token of this account. It has no role of its own and reads no mail.',
            'roles/iam.serviceAccountTokenCreator on it, for the service agent of Pub/Sub: makes those tokens.',
          ],
          commands: [
            ...(account === undefined
              ? [
                  'PUSH="sallyport-push@$PROJECT.iam.gserviceaccount.com"',
                  'gcloud iam service-accounts create sallyport-push --project "$PROJECT"',
                ]
              : [`PUSH=${shellWord(account)}`]),
            `NUMBER=$(gcloud projects describe "$PROJECT" --format 'value(projectNumber)')`,
            'gcloud iam service-accounts add-iam-policy-binding "$PUSH" --project "$PROJECT" --member "serviceAccount:service-$NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com" --role roles/iam.serviceAccountTokenCreator',
          ],
        },
        {
          title: 'Make the push subscription',
          why: [
            'It never expires, or Google would remove it after 31 days without mail; what is not delivered is kept for 7 days.',
            'The audience is compared exactly.',
          ],
          commands: [
            `gcloud pubsub subscriptions create "$SUBSCRIPTION" --project "$PROJECT" --topic "$TOPIC" --topic-project "$TOPIC_PROJECT" --push-endpoint ${shellWord(endpoint)} --push-auth-service-account "$PUSH" --push-auth-token-audience "$AUDIENCE" --ack-deadline 10 --message-retention-duration 7d --expiration-period never`,
          ],
        },
        ...(hasKey
          ? []
          : [
              {
                title: 'Make the account that reads and answers mail',
                why: [
                  'It acts as each mailbox. Its key is the one secret here: gmail-key.json, for the worker alone.',
                  'Where an organisation policy forbids keys (iam.disableServiceAccountKeyCreation), this project needs an exception.',
                ],
                commands: [
                  'MAIL="sallyport-mail@$PROJECT.iam.gserviceaccount.com"',
                  'gcloud iam service-accounts create sallyport-mail --project "$PROJECT"',
                  'umask 077',
                  'gcloud iam service-accounts keys create gmail-key.json --iam-account "$MAIL" --project "$PROJECT"',
                  `CLIENT=$(gcloud iam service-accounts describe "$MAIL" --project "$PROJECT" --format 'value(uniqueId)')`,
                  `printf 'client ID: %s\\n' "$CLIENT"`,
                ],
              },
              {
                title: 'Delegate the mailboxes to it, in the Admin console',
                why: [
                  `${DELEGATION} → Add new: the client ID that was just shown, and the scope`,
                  SCOPE,
                  'It is the narrowest one that reads, watches and answers. Google has no command for this step.',
                ],
              },
            ]),
        {
          title: 'Note what was made',
          why: ['None of it is secret.'],
          commands: ['umask 077', ...missing.map((name) => `printf '${name}=%s\\n' ${values[name]} >> .env`)],
        },
        {
          title: 'Start the gate and look',
          why: [
            mailboxes.length === 0
              ? 'Set GMAIL_MAILBOXES first. The worker makes a watch for each mailbox and renews it.'
              : `The worker makes a watch for each of the ${mailboxes.length} mailboxes and renews it.`,
            'Then, in another terminal: npx sallyport doctor, and npx sallyport subscriptions list',
          ],
        },
      ],
    };
  },
};
