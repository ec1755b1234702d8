/** The Prometheus text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/ */

/** The media type. */
export const TEXT_FORMAT = 'text/plain; version=0.0.4';

export type Sample = readonly [labels: Readonly<Record<string, string | number>>, value: number];

/** One metric with its samples; `name` without the prefix `tunloom_`. */
export function metric(
  name: string,
  type: 'gauge' | 'counter',
  help: string,
  samples: readonly Sample[],
): string {
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabel(String(label))}"`);
    return `tunloom_${name}${pairs.length ? `{${pairs.join(',')}}` : ''} ${value}\n`;
  });
  return `# HELP tunloom_${name} ${help}\n# TYPE tunloom_${name} ${type}\n${lines.join('')}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
