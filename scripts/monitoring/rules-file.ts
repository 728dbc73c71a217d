import { isAlert, ruleGroups } from './rules.ts';

/** Where docs/runbook.md says what to do about an alert. */
const runbookOf = (alert: string): string => `docs/runbook.md#${alert.toLowerCase()}`;

/** The rules as Prometheus reads them. */
export function rulesFile(): string {
  const lines = [
    '# Recording and alert rules of Sallyport. Written by `npm run docs:monitoring` from scripts/monitoring/rules.ts.',
    'groups:',
  ];
  for (const { name, rules } of ruleGroups) {
    lines.push(`  - name: ${name}`, '    rules:');
    for (const rule of rules) {
      lines.push(isAlert(rule) ? `      - alert: ${rule.alert}` : `      - record: ${rule.record}`, '        expr: |');
      lines.push(...rule.expr.split('\n').map((line) => `          ${line}`));
      if (!isAlert(rule)) continue;
      if (rule.for !== undefined) lines.push(`        for: ${rule.for}`);
      lines.push('        labels:', `          severity: ${rule.severity}`, '        annotations:');
      lines.push(`          summary: ${JSON.stringify(rule.summary)}`, `          runbook: ${runbookOf(rule.alert)}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
