package survey

// Schemas as they stand in the catalogue: what follows the name of the table in CREATE TABLE.
const (
	objectSchema = "(objectId BIGINT NOT NULL, ra_deg DOUBLE NOT NULL, dec_deg DOUBLE NOT NULL, posErr_mas FLOAT, " +
		"gMag FLOAT, rMag FLOAT, iMag FLOAT, zMag FLOAT, extended TINYINT NOT NULL DEFAULT 0, nDetections INT NOT NULL, " +
		"PRIMARY KEY (objectId)) ENGINE=MyISAM"
	transientSchema = "(transientId BIGINT NOT NULL, objectId BIGINT NOT NULL, ra_deg DOUBLE NOT NULL, dec_deg DOUBLE " +
		"NOT NULL, " +
		"firstMjd DOUBLE NOT NULL, peakMag FLOAT, class CHAR(8), PRIMARY KEY (transientId)) ENGINE=MyISAM"
)
