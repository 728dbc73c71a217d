import { DashboardBuilder, DatasourceVariableBuilder, RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import type { Dashboard, Panel } from './panels.ts';

/** Grafana's grid is 24 columns wide. */
const STAT = { width: 6, height: 4 } as const;
const GRAPH = { width: 8, height: 8 } as const;

const DATASOURCE = { type: 'prometheus', uid: '$' + '{datasource}' };

/** A dashboard as Grafana reads it. */
export function dashboardFile({ uid, title, rows }: Dashboard): string {
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .tags(['sallyport'])
    .refresh('30s')
    .time({ from: 'now-6h', to: 'now' })
    .timezone('browser')
    .withVariable(new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus'));
  for (const row of rows) {
    builder.withRow(new RowBuilder(row.title));
    for (const panel of row.panels) builder.withPanel(panelOf(panel));
  }
  return `${JSON.stringify(builder.build(), null, 2)}\n`;
}

function panelOf({ kind, title, about, unit, queries }: Panel): StatBuilder | TimeseriesBuilder {
  const { width, height } = kind === 'stat' ? STAT : GRAPH;
  const panel = kind === 'stat' ? new StatBuilder() : new TimeseriesBuilder().min(0);
  panel.title(title).description(about).unit(unit).datasource(DATASOURCE).span(width).height(height);
  for (const [at, [expr, legend]] of queries.entries()) {
    const query = new DataqueryBuilder()
      .refId(String.fromCharCode(65 + at))
      .expr(expr)
      .legendFormat(legend);
    panel.withTarget(query.datasource(DATASOURCE));
  }
  return panel;
}

/** Grafana's provisioning: where Prometheus is, and where the dashboards are. */
export const provisioning: ReadonlyMap<string, string> = new Map([
  [
    'provisioning/datasources/prometheus.yml',
    [
      '# Prometheus as a data source of Grafana; PROMETHEUS_URL is set in the environment of Grafana.',
      'apiVersion: 1',
      'datasources:',
      '  - name: Prometheus',
      '    type: prometheus',
      '    access: proxy',
      '    url: $PROMETHEUS_URL',
      '    isDefault: true',
      '    jsonData:',
      '      timeInterval: 15s',
      '',
    ].join('\n'),
  ],
  [
    'provisioning/dashboards/sallyport.yml',
    [
      '# The dashboards of this folder, mounted at /etc/grafana/dashboards.',
      'apiVersion: 1',
      'providers:',
      '  - name: sallyport',
      '    folder: Sallyport',
      '    type: file',
      '    options:',
      '      path: /etc/grafana/dashboards',
      '',
    ].join('\n'),
  ],
]);
