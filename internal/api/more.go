package api

func (a *API) moreRoutes() []route { return nil }
