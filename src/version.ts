// Which release of fanwire this is: what package.json says, where no file has to be found for it.

export const version = "0.1.0";
