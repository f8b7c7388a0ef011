exports.handler = async () => JSON.parse(process.env.RESULT);
