// Vant 4: Chinese phone apps.
(() => {
  const V = vant, k = lapis, c = (component, properties, slots) => Vue.h(component, properties, slots || {});
  const listed = { role: 'listitem' };
  k.look = (dark, hue) => {
    document.documentElement.classList.add(dark ? 'van-theme-dark' : 'van-theme-light');
    const accent = hue % 3 ? `hsl(${hue} 75% ${dark ? 58 : 45}%)` : '';
    document.documentElement.style.setProperty('--van-primary-color', accent || (dark ? '#3a8bff' : '#1989fa'));
    document.documentElement.style.setProperty('--k-accent', accent || (dark ? '#3a8bff' : '#1989fa'));
  };
  k.toggle = (name, on) => c(V.Switch, { modelValue: on, size: '22px', 'aria-label': name });
  k.tick = (name, on, kind) => c(kind === 'radio' ? V.Radio : V.Checkbox, { modelValue: on ? 1 : 0, ...(kind === 'radio' ? { name: 1 } : { modelValue: on }), 'aria-label': name, iconSize: 18 });
  k.counter = (name, count) => c(V.Stepper, { modelValue: count, 'aria-label': name });
  k.button = (name, look) => c(V.Button, { type: look === 'other' ? 'default' : 'primary', size: look === 'small' ? 'small' : 'normal', round: look === 'small' }, { default: () => name });
  k.meter = (name, value) => c(V.Progress, { percentage: value, strokeWidth: 6, showPivot: false, 'aria-label': name });
  k.slide = (name, value) => c(V.Slider, { modelValue: value, 'aria-label': name });
  Object.assign(k.parts, {
    header: (page) => c(V.NavBar, { title: page.title, border: true }, {
      left: () => (page.back ? k.hh('span', { role: 'button', tabindex: 0, 'aria-label': k.say('Back', '返回'), class: 'k-spot' }, [c(V.Icon, { name: 'arrow-left', size: 18, 'aria-hidden': 'true' })]) : null),
      right: () => page.actions.map((one) => k.icon(one)),
    }),
    nav: (page) => c(V.Tabbar, { modelValue: page.at, fixed: false, placeholder: false, role: 'tablist' }, { default: () => page.tabs.map(([shape, name], n) => c(V.TabbarItem, { name: n }, { icon: () => k.glyph(shape), default: () => name })) }),
    rows: (p) => c(V.CellGroup, { inset: true, title: p.title || undefined, role: 'list' }, { default: () => k.many(p.items) }),
    row: (p) => c(V.Cell, { ...listed, 'aria-label': p.name, center: true, isLink: Boolean(p.arrow), class: p.large ? 'k-large' : '' }, {
      icon: () => [k.start(p), k.lead(p)],
      title: () => k.hh('div', { class: 'k-name' }, [k.hh('span', {}, [p.name]), p.tag ? c(V.Tag, { type: 'primary', plain: true }, { default: () => p.tag }) : null]),
      label: p.note ? () => k.hh('div', { class: 'k-note' }, [k.fact(p.note, p.notefact)]) : undefined,
      value: p.value === undefined && p.badge === undefined ? undefined : () => [p.value !== undefined ? k.fact(p.value, p.badge ? null : p.fact, 'k-value') : null, p.badge ? k.fact(p.badge, p.fact, 'k-badge') : null],
      'right-icon': p.switch === undefined && p.count === undefined && !p.button ? undefined : () => k.end({ ...p, value: undefined, badge: 0, arrow: false }),
      role: 'listitem',
    }),
    form: (p) => c(V.CellGroup, { inset: true }, { default: () => k.many(p.fields) }),
    field: (p) => c(V.Field, {
      label: p.name, modelValue: p.value, placeholder: p.hint, type: { password: 'password', area: 'textarea' }[p.kind] || 'text', rows: 3, autosize: false,
      rightIcon: p.kind === 'select' || p.kind === 'date' ? 'arrow' : undefined, readonly: p.kind === 'select' || p.kind === 'date',
    }),
    checks: (p) => c(V.CellGroup, { inset: true, title: p.name || undefined }, { default: () => k.hh('div', { class: 'k-checks' }, p.items.map((one) => c(V.Checkbox, { modelValue: one.on, shape: 'square', class: 'k-choice' }, { default: () => one.name }))) }),
    radios: (p) => c(V.CellGroup, { inset: true, title: p.name || undefined }, { default: () => c(V.RadioGroup, { modelValue: p.at, class: 'k-checks', 'aria-label': p.name }, { default: () => p.names.map((name, n) => c(V.Radio, { name: n, class: 'k-choice' }, { default: () => name })) }) }),
    chips: (p) => k.titled(p.name, k.hh('div', { class: 'k-chips' }, p.names.map((name, n) => c(V.Button, { size: 'small', round: true, type: n === p.at ? 'primary' : 'default' }, { default: () => name })))),
    tabs: (p) => c(V.Tabs, { active: p.at, shrink: false, class: 'k-bleed' }, { default: () => p.names.map((name, n) => c(V.Tab, { title: name, name: n })) }),
    search: (p) => k.hh('div', { class: 'k-bleed' }, [c(V.Search, { modelValue: p.value, placeholder: p.hint, shape: 'round', 'aria-label': p.hint, clearable: false })]),
    grid: (p) => c(V.Grid, { columnNum: p.columns, border: false, class: 'k-round' }, { default: () => p.items.map((one) => c(V.GridItem, { text: one.name, clickable: true, role: 'button' }, { icon: () => k.glyph(one.icon, 'k-large-icon') })) }),
    steps: (p) => c(V.Steps, { active: p.at, class: 'k-round' }, { default: () => p.names.map((name) => c(V.Step, {}, { default: () => name })) }),
    notice: (p) => c(V.NoticeBar, { text: p.words, leftIcon: 'volume-o', scrollable: false }),
    rate: (p) => k.hh('div', { class: 'k-rate' }, [k.hh('span', { class: 'k-label' }, [p.name]), c(V.Rate, { modelValue: p.value, readonly: true, size: 18, role: 'img', 'aria-label': `${p.name} ${p.value}/5` })]),
    pages: (p) => c(V.Pagination, { modelValue: p.at, pageCount: p.count, mode: 'simple', prevText: p.back, nextText: p.on }),
    dialog: (p) => c(V.Dialog, { show: true, title: p.title, message: p.words, showCancelButton: true, confirmButtonText: p.yes, cancelButtonText: p.no, transition: 'none', lockScroll: false }),
    sheet: (p) => c(V.ActionSheet, { show: true, description: p.title || undefined, actions: p.names.map((name) => ({ name })), cancelText: p.cancel, lockScroll: false }),
    toast: (p) => c(V.Toast, { show: true, message: p.words, type: 'success', transition: 'none', overlay: false }),
  });
})();
