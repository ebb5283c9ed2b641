// WeUI: pages as in WeChat.
(() => {
  const k = lapis, h = k.hh;
  k.look = (dark) => {
    document.body.setAttribute('data-weui-theme', dark ? 'dark' : 'light');
    document.documentElement.style.setProperty('--k-accent', dark ? '#3eb575' : '#07c160');
  };
  k.toggle = (name, on) => h('input', { type: 'checkbox', role: 'switch', class: 'weui-switch', checked: on ? '' : undefined, 'aria-label': name });
  k.tick = (name, on, kind) => h('span', { class: 'k-mark weui-cells_checkbox' }, [h('input', { type: kind, class: 'weui-check', checked: on ? '' : undefined, 'aria-label': name }), h('i', { class: 'weui-icon-checked' })]);
  k.button = (name, look) => h('button', { type: 'button', class: `weui-btn ${look === 'other' ? 'weui-btn_default' : 'weui-btn_primary'} ${look === 'small' ? 'weui-btn_mini' : ''}` }, [name]);
  k.meter = (name, value) => h('div', { class: 'weui-progress', role: 'progressbar', 'aria-label': name, 'aria-valuenow': value }, [h('div', { class: 'weui-progress__bar' }, [h('div', { class: 'weui-progress__inner-bar', style: `width:${value}%` })])]);
  k.slide = (name, value) => h('div', { class: 'weui-slider' }, [h('div', { class: 'weui-slider__inner' }, [h('div', { class: 'weui-slider__track', style: `width:${value}%` }), h('div', { class: 'weui-slider__handler', style: `left:${value}%`, role: 'slider', tabindex: 0, 'aria-label': name, 'aria-valuenow': value, 'aria-valuemin': 0, 'aria-valuemax': 100 })])]);
  const cells = (title, body, cls) => h('section', {}, [title ? h('div', { class: 'weui-cells__title' }, [title]) : null, h('div', { class: `weui-cells ${cls || ''}`, role: cls ? undefined : 'list' }, body)]);
  const choices = (p, kind, names) => cells(p.name, names.map(([name, on]) => h('div', { class: 'weui-cell' }, [h('div', { class: 'weui-cell__hd' }, [k.tick(name, on, kind)]), h('div', { class: 'weui-cell__bd' }, [h('p', {}, [name])])])), 'weui-cells_checkbox');
  const over = (...nodes) => h('div', { class: 'k-layer' }, [h('div', { class: 'weui-mask' }), ...nodes]);
  const box = (title, body, p) => over(h('div', { class: 'weui-dialog', role: 'dialog', 'aria-modal': 'true' }, [
    h('div', { class: 'weui-dialog__hd' }, [h('strong', { class: 'weui-dialog__title' }, [title])]), h('div', { class: 'weui-dialog__bd' }, [body]),
    h('div', { class: 'weui-dialog__ft' }, [h('a', { role: 'button', class: 'weui-dialog__btn weui-dialog__btn_default' }, [p.no]), h('a', { role: 'button', class: 'weui-dialog__btn weui-dialog__btn_primary' }, [p.yes])])]));
  Object.assign(k.parts, {
    nav: (page) => h('div', { class: 'weui-tabbar k-down', role: 'tablist' }, page.tabs.map(([shape, name], n) => h('a', { role: 'tab', 'aria-selected': String(n === page.at), class: `weui-tabbar__item ${n === page.at ? 'weui-bar__item_on' : ''}` }, [k.glyph(shape, 'weui-tabbar__icon'), h('p', { class: 'weui-tabbar__label' }, [name])]))),
    rows: (p) => cells(p.title, k.many(p.items)),
    row: (p) => h('div', { role: 'listitem', 'aria-label': p.name, class: `weui-cell ${p.arrow ? 'weui-cell_access' : ''} ${p.large ? 'k-large' : ''}` }, [
      h('div', { class: 'weui-cell__hd k-hd' }, [k.start(p), k.lead(p)]),
      h('div', { class: 'weui-cell__bd' }, [h('div', { class: 'k-name' }, [h('span', {}, [p.name]), k.tag(p.tag)]), p.note ? h('div', { class: 'weui-cell__desc k-note' }, [k.fact(p.note, p.notefact)]) : null]),
      h('div', { class: 'weui-cell__ft k-ft' }, k.end({ ...p, arrow: false, badge: 0 }).concat(p.badge ? [k.fact(p.badge, p.fact, 'weui-badge')] : []))]),
    form: (p) => cells('', k.many(p.fields), 'weui-cells_form'),
    field: (p) => h('div', { class: `weui-cell ${p.kind === 'select' || p.kind === 'date' ? 'weui-cell_access' : ''}` }, [h('div', { class: 'weui-cell__hd' }, [h('span', { class: 'weui-label' }, [p.name])]), h('div', { class: 'weui-cell__bd' }, [p.kind === 'area'
      ? h('textarea', { class: 'weui-textarea', rows: 3, placeholder: p.hint, 'aria-label': p.name, innerHTML: p.value || '' })
      : h('input', { class: 'weui-input', type: p.kind === 'password' ? 'password' : 'text', placeholder: p.hint, 'aria-label': p.name, value: p.value || undefined, readonly: p.kind === 'select' || p.kind === 'date' ? '' : undefined })]), h('div', { class: 'weui-cell__ft' })]),
    checks: (p) => choices(p, 'checkbox', p.items.map((one) => [one.name, one.on])),
    radios: (p) => choices(p, 'radio', p.names.map((name, n) => [name, n === p.at])),
    tabs: (p) => h('div', { class: 'weui-navbar k-bleed', role: 'tablist' }, p.names.map((name, n) => h('div', { role: 'tab', 'aria-selected': String(n === p.at), class: `weui-navbar__item ${n === p.at ? 'weui-bar__item_on' : ''}` }, [name]))),
    search: (p) => h('div', { class: 'weui-search-bar weui-search-bar_focusing k-bleed' }, [h('div', { class: 'weui-search-bar__form' }, [h('div', { class: 'weui-search-bar__box' }, [h('i', { class: 'weui-icon-search', 'aria-hidden': 'true' }), h('input', { type: 'search', class: 'weui-search-bar__input', placeholder: p.hint, 'aria-label': p.hint, value: p.value || undefined })])])]),
    grid: (p) => h('div', { class: 'weui-grids k-four' }, p.items.map((one) => h('a', { role: 'button', class: 'weui-grid' }, [h('div', { class: 'weui-grid__icon' }, [k.glyph(one.icon)]), h('p', { class: 'weui-grid__label' }, [one.name])]))),
    dialog: (p) => box(p.title, p.words, p),
    prompt: (p) => box(p.title, h('input', { type: 'password', class: 'weui-input k-in', placeholder: p.hint, 'aria-label': p.hint }), p),
    sheet: (p) => over(h('div', { class: 'weui-actionsheet weui-actionsheet_toggle', role: 'dialog' }, [p.title ? h('div', { class: 'weui-actionsheet__title' }, [h('p', { class: 'weui-actionsheet__title-text' }, [p.title])]) : null, h('div', { class: 'weui-actionsheet__menu' }, p.names.map((name) => h('div', { role: 'button', class: 'weui-actionsheet__cell' }, [name]))), h('div', { class: 'weui-actionsheet__action' }, [h('div', { role: 'button', class: 'weui-actionsheet__cell' }, [p.cancel])])])),
    toast: (p) => h('div', { class: 'weui-toast', role: 'status' }, [h('i', { class: 'weui-icon-success-no-circle weui-icon_toast', 'aria-hidden': 'true' }), h('p', { class: 'weui-toast__content' }, [p.words])]),
  });
})();
