// Draws the dashboard in a browser with Grafana's own packages, but without Grafana. Package scenes runs variables,
// queries and transformations, and package ui draws. Grafana's panel plugins aren't published, so the panels here are
// built from the same parts of ui.
import React from 'react';
import { createRoot } from 'react-dom/client';
import moment from 'moment';
import 'moment/locale/es';
import { BrowserRouter } from 'react-router-dom';
import { catchError, from, map, of } from 'rxjs';
import * as data from '@grafana/data';
import * as runtime from '@grafana/runtime';
import * as scenes from '@grafana/scenes';
import { BigValue, GlobalStyles, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const { sceneUtils, sceneGraph } = scenes;
const uid = 'database';

// send sends a request to the backend, which does what Grafana's server does: it sets the time range, queries the
// database and returns frames.
async function send(request) {
  const response = await fetch('/query', { method: 'POST', body: JSON.stringify(request) });
  if (!response.ok) {
    throw new Error(await response.text());
  }
  return response.json();
}

const fill = (query, scopedVars) => sceneGraph.interpolate(scopedVars.__sceneObject.value.valueOf(), query, scopedVars);

const frame = ({ refId, fields }) =>
  data.createDataFrame({
    refId,
    fields: fields.map(({ name, displayName, type, values }) => ({ name, type, values, config: displayName ? { displayNameFromDS: displayName } : {} })),
  });

class Database extends scenes.RuntimeDataSource {
  query(request) {
    const { from: start, to: end } = request.range;
    const responses = request.targets.map(async (target) => {
      const filled = Object.fromEntries(['query', 'rawSql', 'expr'].map((key) => [key, target[key] && fill(target[key], request.scopedVars)]));
      const query = { target: { ...target, ...filled }, targets: request.targets.length, from: start.valueOf(), to: end.valueOf() };
      return (await send(query)).map(frame);
    });
    return from(Promise.all(responses).then((frames) => ({ data: frames.flat() })));
  }

  async metricFindQuery(query, options) {
    return (await send({ variable: fill(query, options.scopedVars) })).map((text) => ({ text }));
  }
}

// provide registers the data source and the panel plugins.
function provide(dashboard) {
  const { query: type } = dashboard.templating.list.find((v) => v.type === 'datasource');
  const source = new Database(type, uid);
  sceneUtils.registerRuntimeDataSource({ dataSource: source });
  const name = { influxdb: 'InfluxDB', 'grafana-postgresql-datasource': 'PostgreSQL', prometheus: 'VictoriaMetrics' }[type];
  const settings = { uid, name, type, meta: source.meta, isDefault: true };
  runtime.setDataSourceSrv({ get: async () => source, getList: () => [settings], getInstanceSettings: () => settings });
  runtime.setRunRequest((dataSource, request) => {
    const common = { request, timeRange: request.range };
    return dataSource.query(request).pipe(
      map((response) => ({ ...common, state: data.LoadingState.Done, series: response.data })),
      catchError((error) => of({ ...common, state: data.LoadingState.Error, series: [], errors: [{ message: error.message }] }))
    );
  });
  runtime.setPluginImportUtils({ importPanelPlugin: async () => undefined, getPanelPluginFromCache: () => undefined });
  runtime.setAppEvents(new data.EventBusSrv());
  const transformers = new Map(Object.values(data.standardTransformers).map((t) => [t.id, t])); // some are listed under two names
  data.standardTransformersRegistry.setInit(() => [...transformers.values()].map((t) => ({ id: t.id, name: t.name, transformation: async () => t })));
  for (const [pluginId, component] of Object.entries(panels)) {
    const plugin = new data.PanelPlugin(component);
    plugin.useFieldConfig({ useCustomConfig: (builder) => customOptions(dashboard).forEach((path) => builder.addCustomEditor(option(path))) });
    sceneUtils.registerRuntimePanelPlugin({ pluginId, plugin });
  }
  data.standardFieldConfigEditorRegistry.setInit(() =>
    ['unit', 'decimals', 'min', 'max', 'color', 'displayName', 'noValue', 'mappings', 'thresholds', 'links'].map(option)
  );
}

const option = (path) => ({
  id: path,
  path,
  name: path,
  process: data.identityOverrideProcessor,
  shouldApply: () => true,
  defaultValue: { color: { mode: data.FieldColorModeId.PaletteClassic } }[path],
});

// customOptions returns the panels' own options that the dashboard uses.
function customOptions(dashboard) {
  const paths = dashboard.panels.filter(({ fieldConfig }) => fieldConfig).flatMap(({ fieldConfig }) => [
    ...Object.keys(fieldConfig.defaults.custom ?? {}),
    ...fieldConfig.overrides
      .flatMap(({ properties }) => properties.map(({ id }) => id))
      .filter((id) => id.startsWith('custom.'))
      .map((id) => id.slice('custom.'.length)),
  ]);
  return [...new Set(paths)];
}

function Stat({ data: results, fieldConfig, options, height, width, timeZone, replaceVariables }) {
  const theme = data.createTheme({ colors: { mode: window.mode } });
  const getValues = () =>
    data.getFieldDisplayValues({ fieldConfig, reduceOptions: options.reduceOptions, replaceVariables, theme, data: results.series, timeZone });
  const render = ({ value, width, height, count, alignmentFactors }) => (
    <BigValue value={value.display} count={count} width={width} height={height} theme={theme} alignmentFactors={alignmentFactors}
      colorMode={options.colorMode} graphMode={options.graphMode} textMode={options.textMode} text={options.text} justifyMode="auto" />
  );
  return (
    <VizRepeater getValues={getValues} getAlignmentFactors={data.getDisplayValueAlignmentFactors} renderValue={render}
      width={width} height={height} source={results} autoGrid={true} orientation={options.orientation ?? 'auto'} />
  );
}

// copied returns copies of the frames, because graphs modify theirs to make room for bars. Like Grafana, it drops frames without rows.
const copied = (frames) =>
  frames
    .filter(({ length }) => length > 0)
    .map((frame) => ({ ...frame, fields: frame.fields.map((field) => ({ ...field, values: [...field.values] })) }));

function Graph({ data: results, options, height, width, timeZone, timeRange, fields }) {
  return (
    <TimeSeries frames={copied(results.series)} structureRev={results.structureRev} fields={fields} legend={options.legend} options={options}
      width={width} height={height} timeRange={timeRange} timeZone={timeZone} />
  );
}

function Trend(props) {
  const x = data.fieldMatchers.get(data.FieldMatcherID.byName).get(props.options.xField);
  const y = (field, frame, frames) => field.type === data.FieldType.number && !x(field, frame, frames);
  return <Graph {...props} fields={{ x, y }} />;
}

function Table({ data: results, options, height, width }) {
  data.cacheFieldDisplayNames(results.series);
  return (
    <TableNG data={results.series[0]} width={width} height={height} noHeader={!options.showHeader} cellHeight={options.cellHeight}
      enableVirtualization={false} />
  );
}

function Text({ options }) {
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: data.renderTextPanelMarkdown(options.content) }} />;
}

const panels = { stat: Stat, timeseries: Graph, trend: Trend, table: Table, text: Text };

// panelTimeRange returns a panel's own time range. As in Grafana, an absolute range of the dashboard replaces it, and both are shifted.
function panelTimeRange({ timeFrom, timeShift }, time, timeZone) {
  const own = data.rangeUtil.describeTextRange(timeFrom);
  if (own.invalid || (timeShift && data.rangeUtil.describeTextRange(timeShift).invalid)) {
    throw new Error(`no time range: ${timeFrom}, ${timeShift}`);
  }
  const { from, to } = data.rangeUtil.isRelativeTimeRange(time) ? own : time;
  const shifted = (at, roundUp) => {
    const parsed = data.dateMath.toDateTime(at, { timezone: timeZone });
    return timeShift ? data.dateMath.parseDateMath('-' + timeShift, parsed, roundUp) : parsed;
  };
  return new scenes.SceneTimeRange({ from: shifted(from, false).toISOString(), to: shifted(to, true).toISOString(), timeZone });
}

function vizPanel(panel, time, timeZone) {
  const queries =
    panel.targets &&
    new scenes.SceneQueryRunner({
      queries: panel.targets, datasource: panel.datasource, minInterval: panel.interval, maxDataPoints: panel.maxDataPoints,
    });
  return new scenes.VizPanel({
    key: `panel-${panel.id}`,
    pluginId: panel.type,
    title: panel.title,
    description: panel.description,
    options: panel.options,
    fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
    $timeRange: panel.timeFrom && panelTimeRange(panel, time, timeZone),
    $data: panel.transformations ? new scenes.SceneDataTransformer({ $data: queries, transformations: panel.transformations }) : queries,
  });
}

// variable returns a variable of the dashboard with its chosen value.
function variable(v, chosen) {
  switch (v.type) {
    case 'datasource':
      return new scenes.DataSourceVariable({ name: v.name, label: v.label, pluginId: v.query });
    case 'query':
      return new scenes.QueryVariable({
        name: v.name, label: v.label, datasource: v.datasource, query: v.query, isMulti: v.multi, includeAll: v.includeAll, allValue: v.allValue,
        value: chosen[v.name] ?? v.current.value, text: chosen[v.name] ?? v.current.text,
      });
    case 'textbox':
      return new scenes.TextBoxVariable({ name: v.name, label: v.label, value: chosen[v.name] ?? v.query });
  }
  throw new Error('a variable of the type ' + v.type);
}

// linked selects links to an operation.
const linked = 'a[href*="var-operation"]';

// ink returns the number of pixels that are drawn in a panel's graph.
function ink(element) {
  let pixels = 0;
  for (const canvas of element.querySelectorAll('canvas')) {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let alpha = 3; alpha < data.length; alpha += 4) {
      pixels += data[alpha] > 0;
    }
  }
  return pixels;
}

// shown returns what a panel shows, for tests: its text, its graph, and their data.
function shown(panel) {
  const results = panel.state.pluginId === 'text' ? undefined : sceneGraph.getData(panel).state.data;
  const { state, errors } = { errors: [], ...results };
  const frames = results ? panel.applyFieldConfig(results).series : [];
  const element = document.querySelector(`[data-viz-panel-key="${panel.state.key}"]`);
  return {
    title: panel.interpolate(panel.state.title, undefined, 'text'),
    type: panel.state.pluginId,
    state,
    errors: errors.map((error) => error.message),
    text: element.innerText,
    ink: ink(element),
    links: [...element.querySelectorAll(linked)].map((link) => link.getAttribute('href')),
    fields: frames.flatMap((frame) =>
      frame.fields.map((field) => ({ name: data.getFieldDisplayName(field, frame, frames), values: [...field.values] }))
    ),
  };
}

// show draws the dashboard and returns what its panels show.
window.show = async (dashboard, language, mode, timeZone, chosen) => {
  window.mode = mode;
  moment.locale(language);
  const theme = data.createTheme({ colors: { mode } });
  Object.assign(runtime.config, { theme2: theme, bootData: { user: { timezone: timeZone, language: 'en-US' }, settings: {}, navTree: [] } });
  data.setTimeZoneResolver(() => timeZone);
  provide(dashboard);
  const time = chosen.time ?? dashboard.time;
  const vizPanels = dashboard.panels.map((panel) => vizPanel(panel, time, timeZone));
  const scene = new scenes.EmbeddedScene({
    $timeRange: new scenes.SceneTimeRange({ ...time, timeZone }),
    $variables: new scenes.SceneVariableSet({ variables: dashboard.templating.list.map((v) => variable(v, chosen)) }),
    controls: [new scenes.VariableValueSelectors({}), new scenes.SceneControlsSpacer(), new scenes.SceneTimePicker({})],
    body: new scenes.SceneGridLayout({
      children: vizPanels.map((body, i) => {
        const { x, y, w: width, h: height } = dashboard.panels[i].gridPos;
        return new scenes.SceneGridItem({ x, y, width, height, body });
      }),
    }),
  });
  const root = document.getElementById('root');
  document.body.style.background = theme.colors.background.canvas;
  createRoot(root).render(
    <BrowserRouter>
      <data.ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <scene.Component model={scene} />
      </data.ThemeContext.Provider>
    </BrowserRouter>
  );
  const done = (panel) => [data.LoadingState.Done, data.LoadingState.Error].includes(sceneGraph.getData(panel).state.data?.state);
  while (!vizPanels.filter(({ state }) => state.pluginId !== 'text').every(done)) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await document.fonts.ready;
  // Tables and graphs are drawn late, so wait until nothing changes.
  const look = () => vizPanels.map(shown);
  for (let before, now = JSON.stringify(look()); before !== now || !document.querySelector(linked); ) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    [before, now] = [now, JSON.stringify(look())];
  }
  return look();
};
