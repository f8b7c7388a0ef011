THING = "in a layer"
