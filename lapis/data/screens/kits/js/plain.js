// Our own kit: common.js as it is, with a few drawn icons.
(() => {
  const strokes = {
    search: 'M16 10a6 6 0 1 1-12 0 6 6 0 0 1 12 0zM15 15l6 6', 'plus-lg': 'M12 4v16M4 12h16', 'dash-lg': 'M4 12h16', 'x-lg': 'M5 5l14 14M19 5L5 19',
    'chevron-left': 'M15 5l-7 7 7 7', 'chevron-right': 'M9 5l7 7-7 7', 'chevron-down': 'M5 9l7 7 7-7', list: 'M4 6h16M4 12h16M4 18h16',
    'three-dots': 'M6 12v.1M12 12v.1M18 12v.1', heart: 'M12 20C2 13 4 5 8 5c3 0 4 3 4 3s1-3 4-3c4 0 6 8-4 15z', house: 'M4 11l8-7 8 7v9H4z',
    person: 'M16 8a4 4 0 1 1-8 0 4 4 0 0 1 8 0zM4 21c1-8 15-8 16 0', cart: 'M3 4h3l3 12h9l3-9H7M10 20v.1M17 20v.1', trash: 'M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13',
    pencil: 'M4 20l1-5L16 4l4 4L9 19z', share: 'M12 15V4M7 8l5-5 5 5M5 13v7h14v-7', download: 'M12 4v11M7 11l5 5 5-5M5 20h14', chat: 'M4 5h16v11H10l-5 4v-4H4z',
    'play-fill': 'M7 4l13 8-13 8z', 'pause-fill': 'M8 4v16M16 4v16', 'check-lg': 'M4 12l6 6L20 6', star: 'M12 3l3 6 6 1-4 5 1 6-6-3-6 3 1-6-4-5 6-1z',
  };
  strokes['star-fill'] = strokes.star;
  const others = ['M4 4h16v16H4z', 'M20 12a8 8 0 1 1-16 0 8 8 0 0 1 16 0z', 'M12 3l9 9-9 9-9-9z', 'M4 19h16M6 15l4-6 4 3 5-8', 'M12 3l9 17H3z', 'M4 7h16v12H4zM4 7l8 7 8-7'];
  const drawn = (name) => strokes[name] || others[[...name].reduce((sum, one) => sum + one.charCodeAt(0), 0) % others.length];
  lapis.known = (name) => name in strokes;
  lapis.glyph = (name, cls) => lapis.hh('i', {
    class: `k-i ${cls || ''}`, 'aria-hidden': 'true',
    innerHTML: `<svg width="1em" height="1em" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" style="display:block"><path d="${drawn(name)}"/></svg>`,
  });
})();
