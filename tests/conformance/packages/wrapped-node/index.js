exports.handler = async () => ({ environment: { WRAPPED: process.env.WRAPPED, _HANDLER: process.env._HANDLER } });
