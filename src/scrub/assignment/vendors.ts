/**
 * Products whose keys have no form of their own: their name beside a long generated value is what gives the value away.
 * Lower-case, without borders; two words of a name are also tried as one (`new_relic`, `message-bird`).
 */
export const VENDORS: ReadonlySet<string> = new Set(
  (
    'adafruit adobe adyen airtable akamai alchemy algolia alibaba aliyun amplitude anthropic appveyor artifactory asana ' +
    'atlassian auth0 aws azure beamer bigcommerce binance bitbucket bitfinex bitly bittrex braintree bugsnag buildkite ' +
    'bintray calendly circleci clickhouse clickup cloudflare cloudinary cockroachdb codacy codeclimate codecov cohere coinbase ' +
    'confluence confluent contentful contribsys coveralls datadog deepgram deepseek digitalocean discord docker dockerhub ' +
    'docusign doppler drone droneci dropbox dynatrace easypost elastic elasticsearch elevenlabs etherscan etsy eventbrite ' +
    'facebook fastly figma finicity finnhub firebase flickr flutterwave foursquare freshbooks freshdesk gemini ghost ' +
    'gitea github gitlab gitter gocardless godaddy google grafana groq heroku hetzner honeycomb hubspot huggingface ibm ' +
    'infura instagram intercom ipinfo ipstack jenkins jfrog jira jumpcloud kaggle keen klaviyo kraken kucoin lastfm ' +
    'launchdarkly linear linkedin linode lob logdna loggly looker mailchimp mailgun mailjet mandrill mapbox mapquest ' +
    'mattermost maxmind meraki messagebird microsoft mistral mixpanel mongodb mux netlify newrelic newyorktimes nexmo ' +
    'nightfall notion npm nuget nvidia nytimes okta onelogin onesignal openai openrouter openweather openweathermap ' +
    'opsgenie optimizely oracle pagerduty papertrail parse paypal paystack pendo percy perplexity pingdom pinterest ' +
    'pipedrive plaid planetscale plivo postmark privateai privatai prismic pusher qualtrics quickbooks rabbitmq rapidapi ' +
    'razorpay recaptcha redis reddit replicate rollbar salesforce sauce saucelabs segment sendbird sendgrid sendinblue ' +
    'sentry serpapi shodan shopify slack snowflake snyk sonar sonarqube sonarcloud sourcegraph splunk spotify square ' +
    'squarespace stability strava stripe sumo sumologic supabase surveymonkey telegram telegr tencent thinkific tiktok ' +
    'together travis travisci trello tumblr twilio twitch twitter typeform uploadcare unsplash vercel vimeo virustotal ' +
    'voyage vonage vultr wakatime webflow woocommerce wordpress xray yandex yelp youtube zapier zendesk zerotier zoho ' +
    'zoom zulip assemblyai pinecone statuspage logzio coinmarketcap newsapi helpscout sparkpost scrutinizer lokalise crowdin ' +
    'ably'
  ).split(' '),
);
