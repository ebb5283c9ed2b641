// Element Plus: pages of web apps on tablets and desktops.
(() => {
  const E = ElementPlus, k = lapis, h = k.hh, c = (component, properties, slots) => Vue.h(component, properties, slots || {});
  k.look = (dark, hue) => {
    const style = document.documentElement.style;
    const accent = hue % 3 ? `hsl(${hue} 65% ${dark ? 60 : 48}%)` : '#409eff';
    style.setProperty('--k-accent', accent);
    style.setProperty('--el-color-primary', accent);
    for (const step of [3, 5, 7, 8, 9]) style.setProperty(`--el-color-primary-light-${step}`, `color-mix(in srgb, ${accent} ${100 - 10 * step}%, ${dark ? '#141414' : '#fff'})`);
  };
  // The Chinese of Element Plus lies in files that are not unpacked: these are the names of it that pages draw.
  const english = E.useLocale(Vue.ref()).locale.value;
  const chinese = { name: 'zh-cn', el: { ...english.el,
    breadcrumb: { label: '面包屑' },
    inputNumber: { decrease: '减少数值', increase: '增加数值' },
    pagination: { ...english.el.pagination, prev: '上一页', next: '下一页', currentPage: '第 {pager} 页', prevPages: '向前 {pager} 页', nextPages: '向后 {pager} 页' },
    slider: { ...english.el.slider, defaultLabel: '滑块介于 {min} 至 {max}' } } };
  const put = k.put;
  k.put = (root, home) => put(c(E.ElConfigProvider, { locale: k.page.lang === 'zh' ? chinese : english }, { default: () => root }), home);
  k.toggle = (name, on) => c(E.ElSwitch, { modelValue: on, ariaLabel: name });
  k.tick = (name, on, kind) => (kind === 'radio' ? c(E.ElRadio, { modelValue: on ? 1 : 0, value: 1, 'aria-label': name }, { default: () => '' }) : c(E.ElCheckbox, { modelValue: on, ariaLabel: name }));
  k.counter = (name, count) => c(E.ElInputNumber, { modelValue: count, size: 'small', ariaLabel: name });
  k.button = (name, look) => c(E.ElButton, { type: look === 'other' ? '' : 'primary', size: look === 'small' ? 'small' : 'default' }, { default: () => name });
  k.meter = (name, value) => c(E.ElProgress, { percentage: value, showText: false, 'aria-label': name });
  k.slide = (name, value) => c(E.ElSlider, { modelValue: value, ariaLabel: name, showTooltip: false });
  const card = (title, body) => c(E.ElCard, { shadow: 'never' }, { ...(title ? { header: () => h('span', {}, [title]) } : {}), default: () => body });
  const layer = (node) => h('div', { class: 'el-overlay k-layer' }, [h('div', { class: 'el-overlay-dialog' }, [node])]);
  const box = (title, body, p) => layer(h('div', { class: 'el-dialog k-box', role: 'dialog', 'aria-modal': 'true' }, [
    h('header', { class: 'el-dialog__header' }, [h('span', { class: 'el-dialog__title' }, [title])]), h('div', { class: 'el-dialog__body' }, [body]), h('footer', { class: 'el-dialog__footer' }, [k.button(p.no, 'other'), k.button(p.yes, 'main')])]));
  const hanging = (p) => h('ul', { class: 'el-dropdown-menu', role: 'menu' }, p.names.map((name) => h('li', { class: 'el-dropdown-menu__item', role: 'menuitem', tabindex: -1 }, [name])));
  Object.assign(k.parts, {
    side: (page) => c(E.ElMenu, { defaultActive: String(page.at), class: 'k-menu-side' }, { default: () => page.tabs.map(([shape, name], n) => c(E.ElMenuItem, { index: String(n) }, { default: () => [k.glyph(shape, 'k-before'), h('span', {}, [name])] })) }),
    rows: (p) => card(p.title, h('div', { role: 'list', class: 'k-plain' }, k.many(p.items))),
    row: (p) => h('div', { role: 'listitem', 'aria-label': p.name, class: `k-row ${p.large ? 'k-large' : ''} ${p.strong ? 'k-strong' : ''}` }, [
      k.start(p), k.lead(p), h('div', { class: 'k-main' }, [h('div', { class: 'k-name' }, [h('span', {}, [p.name]), p.tag ? c(E.ElTag, { size: 'small' }, { default: () => p.tag }) : null]), p.note ? h('div', { class: 'k-note' }, [k.fact(p.note, p.notefact)]) : null]), k.end(p)]),
    form: (p) => card('', h('div', { class: 'el-form k-fields' }, k.many(p.fields))),
    field: (p) => h('div', { class: 'el-form-item k-item' }, [h('span', { class: 'el-form-item__label k-text-label' }, [p.name]), h('div', { class: 'el-form-item__content' }, [c(E.ElInput, {
      modelValue: p.value, placeholder: p.hint, ariaLabel: p.name, type: { area: 'textarea', password: 'password' }[p.kind] || 'text', rows: 3, readonly: p.kind === 'select' || p.kind === 'date' }, p.kind === 'select' || p.kind === 'date' ? { suffix: () => k.glyph(p.kind === 'date' ? 'calendar' : 'chevron-down') } : {})])]),
    checks: (p) => card(p.name, h('div', { class: 'k-options' }, p.items.map((one) => c(E.ElCheckbox, { modelValue: one.on, label: one.name })))),
    radios: (p) => card(p.name, h('div', { class: 'k-options', role: 'radiogroup', 'aria-label': p.name }, p.names.map((name, n) => c(E.ElRadio, { modelValue: p.at, value: n, label: n }, { default: () => name })))),
    chips: (p) => k.titled(p.name, h('div', { class: 'k-chips' }, p.names.map((name, n) => c(E.ElButton, { round: true, size: 'small', type: n === p.at ? 'primary' : '' }, { default: () => name })))),
    tabs: (p) => c(E.ElTabs, { modelValue: p.at, class: 'k-el-tabs' }, { default: () => p.names.map((name, n) => c(E.ElTabPane, { label: name, name: n })) }),
    search: (p) => c(E.ElInput, { modelValue: p.value, placeholder: p.hint, ariaLabel: p.hint, class: 'k-half' }, { prefix: () => k.glyph('search') }),
    table: (p) => card('', h('table', { class: 'k-table el-table' }, [h('thead', {}, [h('tr', {}, p.columns.map((name) => h('th', { class: 'el-table__cell', scope: 'col' }, [name])))]), h('tbody', {}, p.rows.map((row) => h('tr', { class: 'el-table__row' }, row.map((cell) => h('td', { class: 'el-table__cell' }, [typeof cell === 'string' ? cell : k.fact(cell.words, cell.fact)])))))])),
    pages: (p) => c(E.ElPagination, { background: true, layout: 'prev, pager, next', pageCount: p.count, currentPage: p.at }),
    steps: (p) => card('', c(E.ElSteps, { active: p.at, alignCenter: true, finishStatus: 'success' }, { default: () => p.names.map((name) => c(E.ElStep, { title: name })) })),
    notice: (p) => c(E.ElAlert, { title: p.words, type: 'warning', closable: false, showIcon: true }),
    rate: (p) => h('div', { class: 'k-rate' }, [h('span', { class: 'k-label' }, [p.name]), c(E.ElRate, { modelValue: p.value, disabled: true, ariaLabel: p.name })]),
    crumbs: (p) => c(E.ElBreadcrumb, { separator: '/' }, { default: () => p.names.map((name) => c(E.ElBreadcrumbItem, {}, { default: () => name })) }),
    dialog: (p) => box(p.title, p.words, p),
    prompt: (p) => box(p.title, c(E.ElInput, { type: 'password', placeholder: p.hint, ariaLabel: p.hint }), p),
    sheet: (p) => layer(h('div', { class: 'el-dialog k-box', role: 'dialog' }, [p.title ? h('header', { class: 'el-dialog__header' }, [h('span', { class: 'el-dialog__title' }, [p.title])]) : null, hanging(p), h('footer', { class: 'el-dialog__footer' }, [k.button(p.cancel, 'other')])])),
    menu: (p) => h('div', { class: 'k-layer' }, [h('div', { class: 'el-popper is-light k-drop' }, [hanging(p)])]),
    toast: (p) => h('div', { class: 'el-message el-message--success k-message', role: 'alert' }, [k.glyph('check-circle-fill'), h('p', { class: 'el-message__content' }, [p.words])]),
  });
})();
