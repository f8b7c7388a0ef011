'use strict';
/*
 * How `import` finds packages of layers. AWS's Node.js looks through NODE_PATH for `import` too, from 18 on; the official
 * one does not. Order: what the function itself brings, then layers, then the SDK of the runtime, which is mounted where
 * `import` finds it by itself.
 */

const SDK = 'file:///node_modules/';

/** Whether the request is one for a package that could be a layer's: `import`, by name, and not by the SDK itself. */
function concerns(specifier, { conditions, parentURL = '' }) {
  return conditions.includes('import') && !/^([./#]|[a-z][a-z0-9+.-]*:)/i.test(specifier) && !parentURL.startsWith(SDK);
}

/** Every answer that settles the question is returned; an error only means that another place is to be asked. */
function elsewhere(error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  return null;
}

const settles = (found) => found !== null && !found.url.startsWith(SDK);

/** For `module.registerHooks`. */
exports.resolver = (layers) => (specifier, context, next) => {
  if (!concerns(specifier, context)) return next(specifier, context);
  const ask = (parentURL) => {
    try {
      return next(specifier, { ...context, parentURL });
    } catch (error) {
      return elsewhere(error);
    }
  };
  for (const place of [context.parentURL, ...layers]) {
    const found = ask(place);
    if (settles(found)) return found;
  }
  return next(specifier, context);
};

// For `module.register`, which loads this file on a thread of its own.
let layers = [];

exports.initialize = (places) => {
  layers = places;
};

exports.resolve = async (specifier, context, next) => {
  if (!concerns(specifier, context)) return next(specifier, context);
  for (const parentURL of [context.parentURL, ...layers]) {
    const found = await next(specifier, { ...context, parentURL }).catch(elsewhere);
    if (settles(found)) return found;
  }
  return next(specifier, context);
};
