// Kits of Vue components: nodes are Vue's, mounted anew for every page.
(() => {
  lapis.h = (tag, attributes, children) => Vue.h(tag, attributes, children);
  lapis.put = (root, home) => {
    Vue.render(null, home);
    Vue.render(root, home);
  };
  lapis.settle = () => Vue.nextTick().then(() => Vue.nextTick()).then(() => new Promise((done) => requestAnimationFrame(() => done())));
})();
